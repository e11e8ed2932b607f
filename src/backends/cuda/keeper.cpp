// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/keeper.h"

#include "backends/cuda/context.h"

#include <chrono>
#include <new>
#include <utility>

namespace headrace::cuda {

namespace {

using Clock = Trace::Clock;

/// Two clocks drift apart by some parts in a million: compared so often, by less than a
/// microsecond or two.
constexpr std::chrono::milliseconds kAnchorAge(500);

/// How soon a wait is tried again that failed, and how often.
constexpr std::chrono::milliseconds kRetry(1);
constexpr int kTries = 1000;

/// An event, and when the host's clock says it was.
struct Anchor {
  EventHold event = {};
  Clock::time_point time = {};
};

Anchor drop_anchor(Context& context) {
  const BorrowedStream stream(context);
  Anchor anchor{context.timed_events().take(), {}};
  context.check(context.driver().cuEventRecord(anchor.event.handle(), stream.get()),
                "cuEventRecord");
  context.check(context.driver().cuStreamSynchronize(stream.get()), "cuStreamSynchronize");
  anchor.time = Clock::now();
  return anchor;
}

}  // namespace

struct Keeper::State {
  explicit State(std::shared_ptr<Context> of) : context(std::move(of)) {}

  void run();
  void finish(const Kept& kept);
  bool is_done(const Kept& kept);
  void record(const Kept& kept);
  Clock::time_point time_of(const EventHold& event);

  const std::shared_ptr<Context> context;
  Anchor anchor;  // of the thread's
  std::mutex mutex;
  std::condition_variable changed;
  std::list<Kept> kept;       // guarded by mutex
  std::uint64_t dropped = 0;  // guarded by mutex
  bool is_closed = false;     // guarded by mutex
  std::thread::id thread;     // guarded by mutex
};

Keeper::Keeper(std::shared_ptr<Context> context)
    : state_(std::make_shared<State>(std::move(context))) {}

Keeper::~Keeper() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::scoped_lock lock(state_->mutex);
    state_->is_closed = true;
  }
  state_->changed.notify_all();
  // Of a lost device nothing is left to wait for but the caller's own destructors, which may need
  // what whoever destroys the stream holds.
  const bool is_self = thread_.get_id() == std::this_thread::get_id();
  is_self || state_->context->is_lost() ? thread_.detach() : thread_.join();
}

void Keeper::start() {
  if (!thread_.joinable()) {
    thread_ = std::thread([state = state_] { state->run(); });
  }
}

void Keeper::keep(KeptOne kept) noexcept {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->kept.splice(state_->kept.end(), kept);
  }
  ++kept_;
  state_->changed.notify_all();
}

std::uint64_t Keeper::dropped() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->dropped;
}

bool Keeper::wait_for_dropped(std::uint64_t count, std::chrono::nanoseconds timeout) const {
  std::unique_lock lock(state_->mutex);
  if (state_->dropped < count && state_->thread == std::this_thread::get_id()) {
    throw Error(ErrorCode::invalid_argument,
                "What a launch held waits, as it is dropped, for the launch's own stream, which "
                "would never end.");
  }
  return state_->changed.wait_for(lock, timeout, [&] { return state_->dropped >= count; });
}

void Keeper::State::run() {
  std::unique_lock lock(mutex);
  thread = std::this_thread::get_id();
  while (true) {
    changed.wait(lock, [this] { return !kept.empty() || is_closed; });
    if (kept.empty()) {
      return;
    }
    KeptOne next;
    next.splice(next.begin(), kept, kept.begin());
    lock.unlock();
    finish(next.front());
    next.clear();
    lock.lock();
    ++dropped;
    changed.notify_all();
  }
}

/// Nothing here has anybody to throw to: a lost device has told those who wait, and spans that
/// there is no memory for are left out.
void Keeper::State::finish(const Kept& next) {
  const Entered entered(*context);
  if (!is_done(next) || !next.submission->trace) {
    return;
  }
  try {
    record(next);
  } catch (const Error&) {
    return;
  } catch (const std::bad_alloc&) {
    return;
  }
}

/// Waits for the work, also when the driver fails at that for a while. \returns False on a lost
/// device, and when the driver does not get over it.
bool Keeper::State::is_done(const Kept& next) {
  for (int i = 0; i < kTries && !context->is_lost(); ++i) {
    const CUresult result = context->driver().cuEventSynchronize(next.done.handle());
    if (result == CUDA_SUCCESS) {
      return true;
    }
    context->note(result);
    std::this_thread::sleep_for(kRetry);
  }
  return false;
}

void Keeper::State::record(const Kept& next) {
  if (!anchor.event || Clock::now() - anchor.time > kAnchorAge) {
    anchor = drop_anchor(*context);
  }
  Trace& trace = *next.submission->trace;
  const std::uint32_t track = trace.track(next.submission->track);
  for (const Span& span : next.spans) {
    trace.record(track, span.label, time_of(span.begin), time_of(span.end));
  }
}

Clock::time_point Keeper::State::time_of(const EventHold& event) {
  float milliseconds = 0;
  context->check(
      context->driver().cuEventElapsedTime(&milliseconds, anchor.event.handle(), event.handle()),
      "cuEventElapsedTime");
  return anchor.time + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double, std::milli>(milliseconds));
}

}  // namespace headrace::cuda
