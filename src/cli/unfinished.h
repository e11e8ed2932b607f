// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/pack_journal.h"

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace headrace::cli {

/// The folder beside a target in which `headrace pack` makes it: `parts`, the files that it will
/// be, `journal.json`, and `lock`, which this holds, so that one process at a time is at it.
///
/// Without a journal there is nothing to go on with, and the folder goes with this.
class Unfinished {
 public:
  /// Whether an earlier run left work for `target`.
  static bool is_left(const std::filesystem::path& target);

  /// Makes the folder, or takes the one that is there. Where a folder was put aside to be replaced
  /// and nothing took its place, it is put back.
  ///
  /// \throws Error  `invalid_argument` while another process is at it, and for a folder that is of
  ///                something else; `io`, as of every call.
  explicit Unfinished(const std::filesystem::path& target);
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path parts() const { return path_ / kParts; }
  /// Where a folder is put that is being replaced.
  [[nodiscard]] std::filesystem::path replaced() const { return path_ / kReplaced; }

  [[nodiscard]] bool has_journal() const;

  /// \throws Error  `corrupt_data` for one that is damaged; it names the file.
  [[nodiscard]] PackJournal load() const;

  /// Brings the names of the parts to the disk, and then the journal.
  void save(const PackJournal& journal) const;

  /// The same for a journal that says no more of the parts, which may have the target's name.
  void save_anew(const PackJournal& journal) const;

  /// Removes all but the lock, and makes an empty folder for parts.
  void clear() const;

  /// Removes the folder, with what is in it.
  void remove() noexcept;

 private:
  static constexpr std::string_view kParts = "parts";
  static constexpr std::string_view kReplaced = "replaced";
  static constexpr std::string_view kJournal = "journal.json";
  static constexpr std::string_view kLock = "lock";

  [[nodiscard]] std::filesystem::path journal() const { return path_ / kJournal; }
  [[nodiscard]] std::filesystem::path lock() const { return path_ / kLock; }
  [[nodiscard]] bool try_lock();
  void check_own() const;
  [[nodiscard]] bool has_only_ours() const;
  void put_back(const std::filesystem::path& target) const;
  void empty() const;

  std::filesystem::path path_;
  int lock_ = -1;
};

/// The number by which the file system knows what is at `path`; 0 when nothing is.
std::uint64_t inode_of(const std::filesystem::path& path);

}  // namespace headrace::cli
