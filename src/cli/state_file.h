// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader_state.h"

#include "cli/json.h"
#include "cli/periodic.h"

#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

namespace headrace::cli {

/// Keeps in a file how far a run is, so that another can go on from there after a crash.
///
/// Where the run begins is written before it does, so that of a run of several ranks every one that
/// began has its file. What is offered is written within a second, on a thread of the file's own,
/// so that the run does not wait for the disk; at any time the file holds one whole state. A file
/// that somebody else has changed meanwhile is left alone, and the run ends; one that was removed
/// is written anew.
class StateFile {
 public:
  StateFile(std::filesystem::path path, const StateOwner& owner);
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;
  ~StateFile() = default;

  /// What an earlier run left; nothing when there is no file.
  ///
  /// Called before `begin`.
  ///
  /// \throws Error  `io`, `unsupported`, `corrupt_data`; `invalid_argument` when it is the state of
  /// another rank's
  ///                share, which says nothing of this one's.
  [[nodiscard]] std::optional<LoaderState> load();

  /// Writes where the run begins. Called once, before the first `offer`. \throws Error  `io`.
  void begin(const LoaderState& state);

  /// Says that everything up to `state` is done. \throws Error  `io` when an earlier one could not
  /// be written.
  void offer(const LoaderState& state);

  /// Writes what was offered last. \throws Error  `io`.
  void finish();

 private:
  void write_offered();
  void replace(std::string text);

  const std::filesystem::path path_;
  const StateOwner owner_;
  std::mutex mutex_;
  std::optional<LoaderState> offered_;  // guarded by mutex_; empty when it was written
  std::exception_ptr error_;            // guarded by mutex_
  std::string content_;                 // of the file, as last read or written here
  std::optional<Periodic> writer_;      // from `begin` on
};

}  // namespace headrace::cli
