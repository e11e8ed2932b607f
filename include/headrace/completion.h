// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <chrono>
#include <memory>

namespace headrace {

namespace core {
class CompletionState;
struct CompletionAccess;
}  // namespace core

/// The end of work that was submitted.
///
/// A cheap shared value; one made by default is done. Threads: safe from any thread.
class HEADRACE_EXPORT Completion {
 public:
  Completion() = default;

  /// Waits until the work is done. It may return before the work's handler has run.
  ///
  /// \throws Error  what the work failed with, every time; `device_lost`.
  void wait() const;

  /// Waits at most `timeout`.
  ///
  /// \returns Whether the work is done.
  /// \throws Error  as `wait`.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout) const;

  /// Looks without waiting. \returns Whether the work is done. \throws Error  as `wait`.
  [[nodiscard]] bool try_wait() const;

  /// Looks without waiting; work that failed is done too, and so is, in a child of fork(), the
  /// parent's.
  [[nodiscard]] bool is_done() const noexcept;

 private:
  friend struct core::CompletionAccess;
  std::shared_ptr<core::CompletionState> state_;
};

}  // namespace headrace
