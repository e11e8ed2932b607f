// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/stream.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/kept_work.h"
#include "backends/vulkan/translate.h"

#include <algorithm>
#include <utility>

namespace headrace::vulkan {

namespace {

/// What is worth the way over another queue, which takes some ten microseconds.
constexpr VkDeviceSize kFewestTransferred = VkDeviceSize{1} << 20;

/// Whether it takes much to the host, or from there.
bool is_transfer(const Operation& operation) {
  const auto* copy = std::get_if<CopyOperation>(&operation);
  return copy != nullptr && copy->from.is_host_visible != copy->to.is_host_visible &&
         copy->to.size >= kFewestTransferred;
}

}  // namespace

Stream::Stream(std::shared_ptr<Context> context)
    : context_(std::move(context)),
      timeline_(std::make_shared<Timeline>(*context_)),
      compute_(context_->next_compute_queue()),
      transfer_(context_->next_transfer_queue()),
      submitted_(timeline_->begin()),
      replays_(*context_, *timeline_) {}

Stream::~Stream() {
  timeline_->settle(submitted_);
  if (context_->is_lost()) {
    keeper_.detach();
  }
}

void Stream::prepare(Submission& submission) {
  context_->require_alive();
  submission.prepared = record(submission, *context_);
}

void Stream::submit(std::shared_ptr<Submission> submission) {
  context_->require_alive();
  if (submission->prepared || submission->trace) {
    return submit_kept(std::move(submission));
  }
  operations_.clear();
  for (const Command& command : submission->commands) {
    translate(command, *context_, operations_);
  }
  submit_operations(operations_);
}

/// With launches or a trace: what they hold is the caller's, or is asked for when the work is done.
void Stream::submit_kept(std::shared_ptr<Submission> submission) {
  if (!submission->prepared) {
    submission->prepared = record(*submission, *context_);
  }
  const auto recorded = std::static_pointer_cast<Recorded>(std::move(submission->prepared));
  submission->prepared = nullptr;
  const VkCommandBuffer commands =
      recorded->recording ? recorded->recording->commands() : VK_NULL_HANDLE;
  keeper_.start();
  auto work = std::make_unique<KeptWork>(context_,
                                         TimelinePoint{timeline_, submitted_ + 1},
                                         std::move(submission),
                                         std::move(*recorded));
  KeptWork& kept_work = *work;
  backends::KeptOne kept;
  kept.push_back(std::move(work));
  try {
    submit_to(compute_, commands);
  } catch (...) {
    // Here locks are held that what launches hold may want as it goes.
    kept_work.cancel();
    keeper_.keep(std::move(kept));
    throw;
  }
  keeper_.keep(std::move(kept));
}

/// Operations go to their queues in runs, each behind the one before.
void Stream::submit_operations(std::span<const Operation> operations) {
  while (!operations.empty()) {
    Queue& queue = queue_for(operations.front());
    const auto end = std::ranges::find_if(
        operations, [&](const Operation& other) { return &queue_for(other) != &queue; });
    const std::span run(operations.begin(), end);
    submit_to(queue, replays_.of(run, queue.family(), submitted_ + 1));
    operations = operations.subspan(run.size());
  }
}

/// What others submit to the queue by its handle is ordered by that queue alone.
Queue& Stream::queue_for(const Operation& operation) const {
  return transfer_ != nullptr && !is_known_ && is_transfer(operation) ? *transfer_ : compute_;
}

/// Throws before the work is submitted or not at all.
void Stream::submit_to(Queue& queue, VkCommandBuffer commands) {
  let_go_of_waits();
  if (last_ != nullptr && last_ != &queue) {
    waits_.push_back({timeline_, submitted_});
  }
  if (const std::optional<TimelinePoint> upload = context_->coefficients().pending()) {
    waits_.push_back(*upload);
  }
  const bool holds = !waits_.empty();
  if (holds) {
    held_.push_back({submitted_ + 1, {}});
  }
  queue.submit(waits_, commands, {timeline_, submitted_ + 1});
  ++submitted_;
  last_ = &queue;
  if (holds) {
    held_.back().waits.swap(waits_);
  }
}

void Stream::let_go_of_waits() {
  while (!held_.empty() && timeline_->has_reached(held_.front().value)) {
    held_.pop_front();
  }
}

void Stream::signal(MarkerSerial serial) {
  context_->require_alive();
  if (!waits_.empty() || is_known_) {
    submit_to(compute_, VK_NULL_HANDLE);
  }
  markers_.add({serial, submitted_, keeper_.kept()});
}

MarkerSerial Stream::completed() {
  return markers_.pass(timeline_->reached(), keeper_.dropped());
}

bool Stream::wait(MarkerSerial serial, std::chrono::nanoseconds timeout) {
  context_->require_alive();
  const std::optional<Marker> marker = markers_.find(serial);
  if (!marker) {
    return true;
  }
  const auto begin = std::chrono::steady_clock::now();
  return timeline_->wait(marker->value, timeout) &&
         (marker->kept == 0 ||
          keeper_.wait_for_dropped(marker->kept,
                                   timeout - (std::chrono::steady_clock::now() - begin)));
}

void Stream::wait_for(BackendStream& producer, MarkerSerial serial) {
  context_->require_alive();
  const auto& other = static_cast<const Stream&>(producer);
  const std::optional<Marker> marker = other.markers_.find(serial);
  if (!marker || other.timeline_->has_reached(marker->value)) {
    return;
  }
  const auto known = std::ranges::find(waits_, other.timeline_, &TimelinePoint::timeline);
  if (known == waits_.end()) {
    waits_.push_back({other.timeline_, marker->value});
  } else {
    known->value = std::max(known->value, marker->value);
  }
  if (is_known_) {
    submit_to(compute_, VK_NULL_HANDLE);
  }
}

NativeHandle Stream::native_handle() {
  if (!is_known_ && !context_->is_lost()) {
    if (!waits_.empty() || (last_ != nullptr && last_ != &compute_)) {
      submit_to(compute_, VK_NULL_HANDLE);
    }
    is_known_ = true;
  }
  return {HandleKind::stream, reinterpret_cast<std::uint64_t>(compute_.handle()), 0};
}

}  // namespace headrace::vulkan
