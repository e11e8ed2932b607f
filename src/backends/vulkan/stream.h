// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/shared/keeper.h"
#include "backends/vulkan/markers.h"
#include "backends/vulkan/operation.h"
#include "backends/vulkan/queue.h"
#include "backends/vulkan/replays.h"
#include "backends/vulkan/timeline.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace headrace::vulkan {

class Context;

/// A stream of a device: a timeline, and a queue or two that it submits to.
class Stream final : public BackendStream {
 public:
  explicit Stream(std::shared_ptr<Context> context);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  /// Waits for the work submitted, but not that of a lost device.
  ~Stream() override;

  void prepare(Submission& submission) override;
  void submit(std::shared_ptr<Submission> submission) override;
  void signal(MarkerSerial serial) override;
  MarkerSerial completed() override;
  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) override;
  void wait_for(BackendStream& producer, MarkerSerial serial) override;
  /// The queue that it computes on, and copies on from then on. Work that goes there by other ways
  /// begins behind the stream's own and what that waits for; what the stream is given later comes
  /// behind it and sees what it wrote. To see what the stream wrote, it begins with a barrier.
  [[nodiscard]] NativeHandle native_handle() override;
  [[nodiscard]] bool is_private() const override { return true; }

 private:
  /// Timelines that a submission waits for, until it is done.
  struct Held {
    std::uint64_t value = 0;
    std::vector<TimelinePoint> waits;
  };

  Queue& queue_for(const Operation& operation) const;
  void submit_kept(std::shared_ptr<Submission> submission);
  void submit_operations(std::span<const Operation> operations);
  void submit_to(Queue& queue, VkCommandBuffer commands);
  void let_go_of_waits();

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<Timeline> timeline_;
  Queue& compute_;
  Queue* const transfer_;  // null: compute_ copies, too
  Markers markers_;
  // Of the submitting thread's:
  bool is_known_ = false;             // somebody outside has, or had, its handle
  std::uint64_t submitted_;           // what the timeline reaches when all is done
  Queue* last_ = nullptr;             // where the last submission went
  std::vector<TimelinePoint> waits_;  // of the next submission
  std::deque<Held> held_;
  Replays replays_;
  std::vector<Operation> operations_;  // kept for its memory
  backends::Keeper keeper_;
};

}  // namespace headrace::vulkan
