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
  backends::KeptOne kept;
  kept.push_back(std::make_unique<KeptWork>(context_,
                                            TimelinePoint{timeline_, submitted_ + 1},
                                            std::move(submission),
                                            std::move(*recorded)));
  keeper_.start();
  submit_to(compute_, commands);
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

Queue& Stream::queue_for(const Operation& operation) const {
  return transfer_ != nullptr && is_transfer(operation) ? *transfer_ : compute_;
}

void Stream::submit_to(Queue& queue, VkCommandBuffer commands) {
  if (last_ != nullptr && last_ != &queue) {
    waits_.push_back({timeline_, submitted_});
  }
  held_.push_back({submitted_ + 1, {}});
  queue.submit(waits_, commands, {timeline_, submitted_ + 1});
  ++submitted_;
  last_ = &queue;
  held_.back().waits.swap(waits_);
  while (timeline_->has_reached(held_.front().value)) {
    held_.pop_front();
    if (held_.empty()) {
      break;
    }
  }
}

void Stream::signal(MarkerSerial serial) {
  context_->require_alive();
  if (!waits_.empty() || is_known_.load(std::memory_order_relaxed)) {
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
}

NativeHandle Stream::native_handle() {
  is_known_.store(true, std::memory_order_relaxed);
  return {HandleKind::stream, reinterpret_cast<std::uint64_t>(compute_.handle()), 0};
}

}  // namespace headrace::vulkan
