// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace::cli {

/// What an unfinished pack is of and how far it is.
struct PackJournal {
  /// A name for people and a value.
  using Entries = std::vector<std::pair<std::string, std::string>>;

  Entries options;            ///< What decides the bytes besides the source.
  Entries source;             ///< What is known of the source.
  std::uint64_t total = 0;    ///< Samples of the source.
  std::uint64_t samples = 0;  ///< That are in the parts, on the disk.
  bool is_complete = false;   ///< The parts are all there is to be, and may be renamed.
  bool replaces = false;      ///< A run was asked to replace what has the target's name.
  std::uint64_t inode = 0;    ///< Of the folder of the parts, once it is complete; else 0.
};

/// The text of a journal's file.
std::string to_json(const PackJournal& journal);

/// \throws Error  `corrupt_data` for what is no text of a journal.
PackJournal pack_journal_from(std::string_view json);

/// The entry of a source that says what is in it.
inline constexpr std::string_view kFingerprint = "the fingerprint of the source";

/// What keeps `now` from going on where `before` was: "the shard size was 1000 and is 2000"; empty
/// for nothing. What is in the source of a complete one does not count: it was read.
std::string difference(const PackJournal& before, const PackJournal& now);

}  // namespace headrace::cli
