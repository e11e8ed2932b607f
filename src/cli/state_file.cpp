// SPDX-License-Identifier: Apache-2.0
#include "cli/state_file.h"

#include "headrace/error.h"

#include "cli/files.h"
#include "cli/saved_state.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>

namespace headrace::cli {

StateFile::StateFile(std::filesystem::path path, const StateOwner& owner)
    : path_(std::move(path)), owner_(owner) {}

std::optional<LoaderState> StateFile::load() {
  std::error_code error;
  if (!std::filesystem::exists(path_, error)) {
    return std::nullopt;
  }
  SavedState saved = read_saved_state(path_);
  const Shard& shard = saved.owner.shard;
  const bool is_own = shard.rank == owner_.shard.rank &&
                      shard.world_size == owner_.shard.world_size &&
                      saved.owner.batch_size == owner_.batch_size;
  if (shard.world_size > 1 && !is_own) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("It is of shard {}/{} with batches of {}, and speaks for no other; to go "
                    "on with others, name a new file, and those of all ranks with "
                    "--resume-from.",
                    shard.rank,
                    shard.world_size,
                    saved.owner.batch_size));
  }
  content_ = std::move(saved.text);
  return saved.state;
}

void StateFile::begin(const LoaderState& state) {
  replace(to_json(state, owner_));
  writer_.emplace(std::chrono::milliseconds(500), [this] { write_offered(); });
}

void StateFile::offer(const LoaderState& state) {
  const std::scoped_lock lock(mutex_);
  if (error_) {
    std::rethrow_exception(error_);
  }
  offered_ = state;
}

void StateFile::replace(std::string text) {
  std::error_code error;
  if (std::filesystem::exists(path_, error) && read_file(path_, kMostStateBytes) != content_) {
    throw Error(ErrorCode::io,
                fmt::format("State file '{}' was changed by another process; every rank and every "
                            "run needs one of its own.",
                            path_.string()));
  }
  replace_file(path_, text);
  content_ = std::move(text);
}

void StateFile::write_offered() {
  std::optional<LoaderState> state;
  {
    const std::scoped_lock lock(mutex_);
    state.swap(offered_);
  }
  try {
    if (state) {
      replace(to_json(*state, owner_));
    }
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    error_ = std::current_exception();
  }
}

void StateFile::finish() {
  if (writer_) {
    writer_->stop();
  }
  write_offered();
  const std::scoped_lock lock(mutex_);
  if (error_) {
    std::rethrow_exception(error_);
  }
}

}  // namespace headrace::cli
