// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "core/timeline.h"

#include <chrono>
#include <exception>
#include <memory>

namespace headrace::core {

/// What the copies of one Completion share: a point of a stream, and the error of the work before
/// it.
class CompletionState {
 public:
  /// Done when `ticket` is passed; `outcome` then says whether it failed (null: it cannot).
  CompletionState(Ticket ticket, std::shared_ptr<const Outcome> outcome);
  /// Done from the start, failed with `error`.
  explicit CompletionState(std::exception_ptr error);
  CompletionState(const CompletionState&) = delete;
  CompletionState& operator=(const CompletionState&) = delete;
  virtual ~CompletionState();

  /// Waits, then throws the error if there is one. \returns Whether the point was passed in time.
  bool wait(std::chrono::nanoseconds timeout);
  [[nodiscard]] bool is_done() noexcept;
  /// The error of work that is done, or null; `device_lost` when the device was lost before that.
  [[nodiscard]] std::exception_ptr failure() const noexcept;
  /// The point in its stream; no stream when nothing was submitted.
  [[nodiscard]] const Ticket& ticket() const noexcept { return ticket_; }

 protected:
  /// Runs after the point is passed and before anybody is told; many times, from many threads.
  virtual void settle() noexcept {}

 private:
  Ticket ticket_;
  std::shared_ptr<const Outcome> outcome_;
  std::exception_ptr error_;
};

}  // namespace headrace::core
