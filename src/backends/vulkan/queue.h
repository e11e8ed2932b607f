// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/vulkan/calls.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace headrace::vulkan {

class Context;
class Timeline;
struct QueueFamily;

/// A place on a timeline.
struct TimelinePoint {
  std::shared_ptr<Timeline> timeline;
  std::uint64_t value = 0;
};

/// A queue of the device's, which streams share. What is submitted to it begins in that order, and
/// each command buffer of ours begins with a barrier behind all of the earlier ones.
///
/// Threads: safe from any thread. Whoever submits to the handle itself must know that no stream of
/// the library's does so at that time.
class Queue {
 public:
  Queue(Context& context, const QueueFamily& family, std::uint32_t index);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() = default;

  [[nodiscard]] VkQueue handle() const noexcept { return handle_; }
  [[nodiscard]] std::uint32_t family() const noexcept { return family_; }

  /// Has `commands`, or nothing when null, run after the waits; then the timeline reaches `done`.
  /// \throws Error  as the device says.
  void submit(std::span<const TimelinePoint> waits,
              VkCommandBuffer commands,
              const TimelinePoint& done);

 private:
  Context& context_;
  const std::uint32_t family_;
  VkQueue handle_ = VK_NULL_HANDLE;
  std::mutex mutex_;
};

}  // namespace headrace::vulkan
