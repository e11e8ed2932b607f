// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/trace.h"

#include "backends/cuda/event_pool.h"
#include "backends/shared/keeper.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace headrace::cuda {

class Context;

/// When a labelled command began and ended, as the device will know.
struct Span {
  std::string label;
  EventHold begin;
  EventHold end;
};

/// Tells when events were by the host's clock, from one event whose time it knows.
///
/// Threads: one at a time. The context is current in each call.
class EventClock {
 public:
  explicit EventClock(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  [[nodiscard]] Context& context() const noexcept { return *context_; }

  /// Compares the clocks when that was long ago. \throws Error  as the driver says.
  void set();
  /// When `event`, which is passed, was; after `set`. \throws Error  as the driver says.
  [[nodiscard]] Trace::Clock::time_point time_of(const EventHold& event) const;

 private:
  const std::shared_ptr<Context> context_;
  EventHold anchor_;
  Trace::Clock::time_point anchor_time_;
};

/// A submission that must live until its work is done.
class KeptWork final : public backends::Kept {
 public:
  KeptWork(std::shared_ptr<EventClock> of_stream, std::shared_ptr<Submission> of, EventHold end)
      : clock(std::move(of_stream)), submission(std::move(of)), done(std::move(end)) {}

  /// Waits for `done`, and records the spans where there is a trace.
  void finish() noexcept override;

  std::shared_ptr<EventClock> clock;  ///< The keeper's thread alone uses it.
  std::shared_ptr<Submission> submission;
  std::vector<Span> spans;
  std::vector<EventHold> recorded;  ///< Events that the work itself records.
  EventHold done;

 private:
  bool is_done();
  void record_spans();
};

}  // namespace headrace::cuda
