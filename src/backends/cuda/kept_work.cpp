// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kept_work.h"

#include "headrace/error.h"

#include "backends/cuda/context.h"

#include <chrono>
#include <cstdint>
#include <new>
#include <thread>

namespace headrace::cuda {

namespace {

using Clock = Trace::Clock;

/// Two clocks drift apart by some parts in a million: compared so often, by less than a
/// microsecond or two.
constexpr std::chrono::milliseconds kAnchorAge(500);

/// How soon a wait is tried again that failed, and how often.
constexpr std::chrono::milliseconds kRetry(1);
constexpr int kTries = 1000;

}  // namespace

void EventClock::set() {
  if (anchor_ && Clock::now() - anchor_time_ <= kAnchorAge) {
    return;
  }
  const BorrowedStream stream(*context_);
  EventHold anchor = context_->timed_events().take();
  context_->check(context_->driver().cuEventRecord(anchor.handle(), stream.get()), "cuEventRecord");
  context_->check(context_->driver().cuStreamSynchronize(stream.get()), "cuStreamSynchronize");
  anchor_time_ = Clock::now();
  anchor_ = std::move(anchor);
}

Clock::time_point EventClock::time_of(const EventHold& event) const {
  float milliseconds = 0;
  context_->check(
      context_->driver().cuEventElapsedTime(&milliseconds, anchor_.handle(), event.handle()),
      "cuEventElapsedTime");
  return anchor_time_ + std::chrono::duration_cast<Clock::duration>(
                            std::chrono::duration<double, std::milli>(milliseconds));
}

/// Nothing here has anybody to throw to: a lost device has told those who wait, and spans that
/// there is no memory for are left out.
void KeptWork::finish() noexcept {
  const Entered entered(clock->context());
  if (!is_done() || !submission->trace) {
    return;
  }
  try {
    record_spans();
  } catch (const Error&) {
    return;
  } catch (const std::bad_alloc&) {
    return;
  }
}

/// Waits for the work, also when the driver fails at that for a while. \returns False on a lost
/// device, and when the driver does not get over it.
bool KeptWork::is_done() {
  Context& context = clock->context();
  for (int i = 0; i < kTries && !context.is_lost(); ++i) {
    const CUresult result = context.driver().cuEventSynchronize(done.handle());
    if (result == CUDA_SUCCESS) {
      return true;
    }
    context.note(result);
    std::this_thread::sleep_for(kRetry);
  }
  return false;
}

void KeptWork::record_spans() {
  clock->set();
  Trace& trace = *submission->trace;
  const std::uint32_t track = trace.track(submission->track);
  for (const Span& span : spans) {
    trace.record(track, span.label, clock->time_of(span.begin), clock->time_of(span.end));
  }
}

}  // namespace headrace::cuda
