// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader_state.h"

#include "cli/json.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace headrace::cli {

/// Far more than any state has.
inline constexpr std::uint64_t kMostStateBytes = std::uint64_t{64} << 20;

/// What a state file holds.
struct SavedState {
  LoaderState state;
  StateOwner owner;  ///< Rank 0 of 1 when the file names none.
  std::string text;
};

/// Reads a state file.
///
/// \throws Error  `io`; `unsupported` when it is no regular file or far too large; `corrupt_data`.
SavedState read_saved_state(const std::filesystem::path& path);

/// Where all ranks of a run were, from the state files of every one of them, for a run with any
/// number of ranks to go on from.
///
/// \throws Error  What `read_saved_state` throws, naming the file; `invalid_argument` when they are
///                not one file of each rank of one run.
LoaderState merge_saved_states(std::span<const std::filesystem::path> paths);

}  // namespace headrace::cli
