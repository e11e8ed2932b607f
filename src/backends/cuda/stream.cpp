// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/stream.h"

#include "backends/cuda/context.h"
#include "backends/cuda/translate.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace headrace::cuda {

namespace {

/// Operations from which on a graph is worth its launch.
constexpr std::size_t kFewestForGraph = 4;
/// How long a wait asks before it sleeps: about what a sleeping wait may take to wake up (28 us at
/// the median, 112 us at p99).
constexpr std::chrono::microseconds kSpin(100);
constexpr std::chrono::microseconds kShortestPause(20);
constexpr std::chrono::microseconds kLongestPause(500);
/// A wait longer than this has no limit worth keeping, and sleeps in the driver.
constexpr std::chrono::hours kUnlimited(1);

CUstream made_stream(Context& context) {
  context.require_alive();
  const Entered entered(context);
  CUstream stream = nullptr;
  context.check(context.driver().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  return stream;
}

}  // namespace

std::shared_ptr<Stream> Stream::make(std::shared_ptr<Context> context) {
  CUstream stream = made_stream(*context);
  return std::make_shared<Stream>(std::move(context), stream, Kind::own);
}

Stream::Stream(std::shared_ptr<Context> context, CUstream stream, Kind kind)
    : context_(std::move(context)),
      stream_(stream),
      kind_(kind),
      is_known_(kind != Kind::own),
      markers_(*context_),
      graphs_(*context_),
      clock_(std::make_shared<EventClock>(context_)) {}

Stream::~Stream() {
  if (!unfollowed_.empty()) {
    const Entered entered(*context_);
    context_->driver().cuStreamSynchronize(stream_);
  }
  if (kind_ == Kind::own) {
    const Entered entered(*context_);
    context_->driver().cuStreamDestroy(stream_);  // What was submitted still runs.
  }
  if (context_->is_lost()) {
    keeper_.detach();
  }
}

void Stream::prepare(Submission& submission) {
  context_->require_alive();
  const Entered entered(*context_);
  submission.prepared = cuda::record(submission, *context_);
}

void Stream::submit(std::shared_ptr<Submission> submission) {
  context_->require_alive();
  const Entered entered(*context_);
  if (submission->prepared) {
    submit_recorded(std::move(submission));
  } else if (submission->trace) {
    submit_traced(std::move(submission));
  } else {
    submit_plain(*submission);
  }
}

void Stream::submit_recorded(std::shared_ptr<Submission> submission) {
  auto& recording = *static_cast<Recording*>(submission->prepared.get());
  backends::KeptOne one;
  KeptWork& kept = add_to(one, std::move(submission));
  keeper_.start();
  if (recording.graph.get() != nullptr) {
    graphs_.launch(recording.graph, stream_);
  }
  kept.spans = std::move(recording.spans);
  kept.recorded = std::move(recording.events);
  kept.submission->prepared = nullptr;
  keep(kept.done, std::move(one));
}

void Stream::submit_traced(std::shared_ptr<Submission> submission) {
  backends::KeptOne one;
  KeptWork& kept = add_to(one, std::move(submission));
  kept.spans.reserve(kept.submission->commands.size());
  keeper_.start();
  for (const Command& command : kept.submission->commands) {
    const bool is_labelled = !command.label.empty();
    EventHold begin = is_labelled ? record(context_->timed_events()) : EventHold();
    operations_.clear();
    translate(command, *context_, operations_);
    for (const Operation& operation : operations_) {
      issue(operation, *context_, stream_);
    }
    if (is_labelled) {
      kept.spans.push_back({command.label, std::move(begin), record(context_->timed_events())});
    }
  }
  keep(kept.done, std::move(one));
}

KeptWork& Stream::add_to(backends::KeptOne& one, std::shared_ptr<Submission> submission) {
  auto work = std::make_unique<KeptWork>(clock_, std::move(submission), context_->markers().take());
  KeptWork& kept = *work;
  one.push_back(std::move(work));
  return kept;
}

/// Keeps a submission whose work is under way; where its end cannot be marked, as long as the
/// stream lives.
void Stream::keep(const EventHold& done, backends::KeptOne one) {
  const CUresult result = context_->driver().cuEventRecord(done.handle(), stream_);
  if (result != CUDA_SUCCESS) {
    unfollowed_.splice(unfollowed_.end(), one);
    context_->fail(result, "cuEventRecord");
  }
  keeper_.keep(std::move(one));
}

void Stream::submit_plain(const Submission& submission) {
  operations_.clear();
  bool is_for_graph = true;
  for (const Command& command : submission.commands) {
    is_for_graph &= translate(command, *context_, operations_);
  }
  if (is_for_graph && operations_.size() >= kFewestForGraph &&
      graphs_.launch(operations_, stream_)) {
    return;
  }
  for (const Operation& operation : operations_) {
    issue(operation, *context_, stream_);
  }
}

EventHold Stream::record(EventPool& events) {
  EventHold event = events.take();
  context_->check(context_->driver().cuEventRecord(event.handle(), stream_), "cuEventRecord");
  return event;
}

void Stream::signal(MarkerSerial serial) {
  context_->require_alive();
  const Entered entered(*context_);
  markers_.add({serial, record(context_->markers()), keeper_.kept()});
}

MarkerSerial Stream::completed() {
  context_->require_alive();
  const Entered entered(*context_);
  return markers_.completed(keeper_.dropped());
}

bool Stream::wait(MarkerSerial serial, std::chrono::nanoseconds timeout) {
  context_->require_alive();
  const Marker marker = markers_.find(serial);
  if (!marker.event) {
    return true;
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  if (!wait_for_event(marker.event, timeout)) {
    return false;
  }
  return marker.kept == 0 ||
         keeper_.wait_for_dropped(marker.kept, deadline - std::chrono::steady_clock::now());
}

bool Stream::wait_for_event(const EventHold& event, std::chrono::nanoseconds timeout) {
  const Entered entered(*context_);
  if (timeout < kUnlimited) {
    return poll(event, timeout);
  }
  if (poll(event, kSpin)) {
    return true;
  }
  context_->check(context_->driver().cuEventSynchronize(event.handle()), "cuEventSynchronize");
  return true;
}

bool Stream::poll(const EventHold& event, std::chrono::nanoseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  std::chrono::nanoseconds pause = kShortestPause;
  while (true) {
    const CUresult result = context_->driver().cuEventQuery(event.handle());
    if (result != CUDA_ERROR_NOT_READY) {
      context_->check(result, "cuEventQuery");
      return true;
    }
    const std::chrono::nanoseconds spent = Clock::now() - begin;
    if (spent >= timeout) {
      return false;
    }
    if (spent < kSpin) {
      std::this_thread::yield();  // Queries of several threads hold each other up.
    } else {
      std::this_thread::sleep_for(std::min(pause, timeout - spent));
      pause = std::min<std::chrono::nanoseconds>(pause * 2, kLongestPause);
    }
  }
}

void Stream::wait_for(BackendStream& producer, MarkerSerial serial) {
  context_->require_alive();
  const auto& other = static_cast<const Stream&>(producer);
  const EventHold event = other.markers_.find(serial).event;
  if (event) {
    const Entered entered(*context_);
    context_->check(context_->driver().cuStreamWaitEvent(stream_, event.handle(), 0),
                    "cuStreamWaitEvent",
                    other.context_ == context_ ? nullptr : other.context_.get());
  }
}

NativeHandle Stream::native_handle() {
  is_known_.store(true, std::memory_order_relaxed);
  return {HandleKind::stream, reinterpret_cast<std::uint64_t>(stream_), 0};
}

bool Stream::is_capturing() const {
  context_->require_alive();
  if (!is_known_.load(std::memory_order_relaxed)) {
    return false;  // Nobody can have begun a capture.
  }
  const Entered entered(*context_);
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult result = context_->driver().cuStreamIsCapturing(stream_, &status);
  if (result == CUDA_ERROR_STREAM_CAPTURE_IMPLICIT) {
    return true;  // Another stream's capture forbids the default stream any use.
  }
  context_->check(result, "cuStreamIsCapturing");
  return status != CU_STREAM_CAPTURE_STATUS_NONE;
}

}  // namespace headrace::cuda
