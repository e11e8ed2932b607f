// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/recording.h"

#include "backends/cuda/context.h"
#include "backends/cuda/operation.h"
#include "backends/cuda/translate.h"

#include <exception>
#include <utility>

namespace headrace::cuda {

namespace {

/// A stream of the context's whose work is recorded, not run.
class Capture {
 public:
  explicit Capture(Context& context) : context_(context), stream_(context) {
    context.check(
        context.driver().cuStreamBeginCapture(stream_.get(), CU_STREAM_CAPTURE_MODE_RELAXED),
        "cuStreamBeginCapture");
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    if (is_open_) {
      const Graph dropped(context_, close().second);
    }
  }

  [[nodiscard]] CUstream stream() const noexcept { return stream_.get(); }

  Graph end() {
    const auto [result, graph] = close();
    context_.check(result, "cuStreamEndCapture");
    return {context_, graph};
  }

 private:
  std::pair<CUresult, CUgraph> close() noexcept {
    is_open_ = false;
    const Entered entered(context_);
    CUgraph graph = nullptr;
    const CUresult result = context_.driver().cuStreamEndCapture(stream_.get(), &graph);
    return {result, graph};
  }

  Context& context_;
  BorrowedStream stream_;
  bool is_open_ = true;
};

/// Records an event of which the trace will ask the time.
EventHold mark_time(Context& context, CUstream stream, Recording& recording) {
  EventHold event = context.timed_events().take();
  recording.events.push_back(event);
  context.check(
      context.driver().cuEventRecordWithFlags(event.handle(), stream, CU_EVENT_RECORD_EXTERNAL),
      "cuEventRecordWithFlags");
  return event;
}

void record_one(const Command& command, Context& context, CUstream stream) {
  if (const auto* launch = std::get_if<LaunchCommand>(&command.work)) {
    launch->function({HandleKind::command_buffer, reinterpret_cast<std::uint64_t>(stream), 0});
    return;
  }
  const Entered entered(context);  // Again: a launch may have made another device current.
  std::vector<Operation> operations;
  translate(command, context, operations);
  for (const Operation& operation : operations) {
    issue(operation, context, stream);
  }
}

void record_all(Submission& submission, Context& context, CUstream stream, Recording& recording) {
  for (const Command& command : submission.commands) {
    const bool is_traced = submission.trace && !command.label.empty();
    EventHold begin = is_traced ? mark_time(context, stream, recording) : EventHold();
    record_one(command, context, stream);
    if (is_traced) {
      recording.spans.push_back(
          {command.label, std::move(begin), mark_time(context, stream, recording)});
    }
  }
}

}  // namespace

std::shared_ptr<Recording> record(Submission& submission, Context& context) {
  auto recording = std::make_shared<Recording>();
  try {
    Capture capture(context);
    try {
      record_all(submission, context, capture.stream(), *recording);
    } catch (...) {
      submission.outcome->fail(std::current_exception());
    }
    recording->graph = capture.end();
  } catch (...) {
    recording->spans.clear();
    submission.outcome->fail(std::current_exception());
  }
  return recording;
}

}  // namespace headrace::cuda
