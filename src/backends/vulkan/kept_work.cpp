// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/kept_work.h"

#include "headrace/error.h"
#include "headrace/trace.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/timeline.h"
#include "backends/vulkan/translate.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

namespace headrace::vulkan {

namespace {

void record_one(const Command& command, Context& context, Recording& recording) {
  if (const auto* launch = std::get_if<LaunchCommand>(&command.work)) {
    return recording.launch(launch->function);
  }
  std::vector<Operation> operations;
  translate(command, context, operations);
  for (const Operation& operation : operations) {
    recording.add(operation);
  }
}

void record_all(Submission& submission, Context& context, Recorded& recorded) {
  const bool is_traced = submission.trace != nullptr && context.facts().compute.timestamp_bits != 0;
  const auto is_timed = [is_traced](const Command& command) {
    return is_traced && !command.label.empty();
  };
  const auto timed = std::ranges::count_if(submission.commands, is_timed);
  Recording& recording = *recorded.recording;
  recording.begin(2 * static_cast<std::uint32_t>(timed));
  try {
    for (const Command& command : submission.commands) {
      const std::uint32_t begin = is_timed(command) ? recording.mark_time() : 0;
      record_one(command, context, recording);
      if (is_timed(command)) {
        recorded.spans.push_back({command.label, begin, recording.mark_time()});
      }
    }
  } catch (...) {
    submission.outcome->fail(std::current_exception());
  }
  recording.end();
}

}  // namespace

std::shared_ptr<Recorded> record(Submission& submission, Context& context) {
  auto recorded = std::make_shared<Recorded>();
  try {
    recorded->recording = context.recordings().take(context.facts().compute.index);
    record_all(submission, context, *recorded);
  } catch (...) {
    submission.outcome->fail(std::current_exception());
    *recorded = {};
  }
  return recorded;
}

KeptWork::KeptWork(std::shared_ptr<Context> context,
                   TimelinePoint done,
                   std::shared_ptr<Submission> submission,
                   Recorded recorded)
    : context_(std::move(context)),
      done_(std::move(done)),
      submission_(std::move(submission)),
      recorded_(std::move(recorded)) {}

KeptWork::~KeptWork() {
  if (recorded_.recording) {
    context_->recordings().give_back(std::move(recorded_.recording));
  }
}

void KeptWork::cancel() noexcept {
  done_.value = 0;
  recorded_.spans.clear();
}

/// Nothing here has anybody to throw to: a lost device has told those who wait, and spans that
/// there is no memory for are left out.
void KeptWork::finish() noexcept {
  done_.timeline->settle(done_.value);
  if (context_->is_lost() || !submission_->trace || recorded_.spans.empty()) {
    return;
  }
  try {
    trace();
  } catch (const Error&) {
    return;
  } catch (const std::bad_alloc&) {
    return;
  }
}

void KeptWork::trace() const {
  const std::vector<std::uint64_t> ticks = recorded_.recording->times();
  Trace& trace = *submission_->trace;
  const std::uint32_t track = trace.track(submission_->track);
  for (const Span& span : recorded_.spans) {
    trace.record(track,
                 span.label,
                 context_->clock().time_of(ticks[span.begin]),
                 context_->clock().time_of(ticks[span.end]));
  }
}

}  // namespace headrace::vulkan
