// SPDX-License-Identifier: Apache-2.0
#include "cli/saved_state.h"

#include "headrace/error.h"

#include "cli/files.h"

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <vector>

namespace headrace::cli {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

SavedState read_named(const std::filesystem::path& path) {
  try {
    return read_saved_state(path);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", path.string(), error.what()));
  }
}

void check_same_run(const StateOwner& owner,
                    const StateOwner& first,
                    const std::filesystem::path& path) {
  if (owner.shard.world_size != first.shard.world_size || owner.batch_size != first.batch_size) {
    refuse(
        fmt::format("'{}' is of shard {}/{} with batches of {}, and those before it are of a run "
                    "of {} with batches of {}.",
                    path.string(),
                    owner.shard.rank,
                    owner.shard.world_size,
                    owner.batch_size,
                    first.shard.world_size,
                    first.batch_size));
  }
}

}  // namespace

SavedState read_saved_state(const std::filesystem::path& path) {
  SavedState saved;
  saved.text = read_file(path, kMostStateBytes);
  if (saved.text.empty()) {
    throw Error(ErrorCode::corrupt_data, "The file is empty; remove it to start over.");
  }
  saved.state = LoaderState::from_json(saved.text);
  saved.owner = state_owner(saved.text).value_or(StateOwner{});
  return saved;
}

LoaderState merge_saved_states(std::span<const std::filesystem::path> paths) {
  std::vector<LoaderState> states;
  states.reserve(paths.size());
  std::map<std::uint64_t, std::filesystem::path> path_of_rank;
  StateOwner first;
  for (const std::filesystem::path& path : paths) {
    const SavedState saved = read_named(path);
    first = states.empty() ? saved.owner : first;
    check_same_run(saved.owner, first, path);
    const auto [place, is_new] = path_of_rank.try_emplace(saved.owner.shard.rank, path);
    if (!is_new) {
      refuse(fmt::format("'{}' and '{}' are both of rank {}.",
                         place->second.string(),
                         path.string(),
                         saved.owner.shard.rank));
    }
    states.push_back(saved.state);
  }
  if (states.size() != first.shard.world_size) {
    std::uint64_t missing = 0;
    while (path_of_rank.contains(missing)) {
      ++missing;
    }
    refuse(fmt::format("The run had {} ranks, and the state of rank {} is not given.",
                       first.shard.world_size,
                       missing));
  }
  return LoaderState::merge(states);
}

}  // namespace headrace::cli
