// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace headrace::cli {

/// The name under which something for `path` is written before it takes its own; of this process
/// alone, and in the same folder.
std::filesystem::path temporary_name(const std::filesystem::path& path);

/// Gives `from` the name `to` at once. \param replaces  Whether what is called so may be replaced.
///
/// \throws Error  `io`.
void take_name(const std::filesystem::path& from, const std::filesystem::path& to, bool replaces);

/// A file that is written from its begin to its end under a temporary name. Unless it is published
/// it is gone with this.
class NewFile {
 public:
  /// \throws Error  `io`, as of every call.
  explicit NewFile(std::filesystem::path path);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  /// Bytes written so far.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Brings everything to the disk, and ends the writing.
  void seal();

  /// Gives a sealed file its name. \param replaces  As of `take_name`.
  void publish(bool replaces);

 private:
  void flush();
  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  std::vector<std::byte> buffer_;
  std::uint64_t size_ = 0;
  bool is_published_ = false;
};

}  // namespace headrace::cli
