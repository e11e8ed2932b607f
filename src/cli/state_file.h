// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader_state.h"

#include "cli/json.h"
#include "cli/periodic.h"

#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>

namespace headrace::cli {

/// Keeps in a file how far a run is, so that another can go on from there after a crash.
///
/// What is offered is written within a second, on a thread of the file's own, so that the run does
/// not wait for the disk; at any time the file holds one whole state.
class StateFile {
 public:
  StateFile(std::filesystem::path path, const StateOwner& owner);
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;
  ~StateFile() = default;

  /// What an earlier run left; nothing when there is no file.
  ///
  /// \throws Error  `io`, `corrupt_data`; `invalid_argument` when it is the state of another rank's
  ///                share, which says nothing of this one's.
  [[nodiscard]] std::optional<LoaderState> load() const;

  /// Says that everything up to `state` is done. \throws Error  `io` when an earlier one could not
  /// be written.
  void offer(const LoaderState& state);

  /// Writes what was offered last. \throws Error  `io`.
  void finish();

 private:
  void write_offered();

  const std::filesystem::path path_;
  const StateOwner owner_;
  std::mutex mutex_;
  std::optional<LoaderState> offered_;  // guarded by mutex_; empty when it was written
  std::exception_ptr error_;            // guarded by mutex_
  Periodic writer_;
};

}  // namespace headrace::cli
