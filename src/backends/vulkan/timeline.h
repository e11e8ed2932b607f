// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/vulkan/calls.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

namespace headrace::vulkan {

class Context;

/// A timeline semaphore, and what it had reached when it was taken into use.
struct TimelineSemaphore {
  VkSemaphore handle = VK_NULL_HANDLE;
  std::uint64_t reached = 0;
};

/// The timeline semaphores of one device. They are used again, and last as long as the device: some
/// drivers (Mesa's lavapipe) touch one once more after a submission that named it is done.
///
/// Threads: safe from any thread.
class TimelineSemaphores {
 public:
  explicit TimelineSemaphores(Context& context) : context_(context) {}
  TimelineSemaphores(const TimelineSemaphores&) = delete;
  TimelineSemaphores& operator=(const TimelineSemaphores&) = delete;
  ~TimelineSemaphores();

  /// \throws Error  as the device says.
  TimelineSemaphore take();
  /// Takes one back that no submission will raise any more.
  void give_back(const TimelineSemaphore& semaphore) noexcept;

 private:
  Context& context_;
  std::mutex mutex_;
  std::vector<VkSemaphore> all_;         // guarded by mutex_
  std::vector<TimelineSemaphore> idle_;  // guarded by mutex_; room for all
};

/// A count that queues raise as work is done. Others that wait for it on the device keep it.
///
/// Threads: safe from any thread. Errors: `device_lost`.
class Timeline {
 public:
  explicit Timeline(Context& context);
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;
  /// Nothing submitted raises it any more.
  ~Timeline();

  [[nodiscard]] VkSemaphore handle() const noexcept { return semaphore_.handle; }
  /// Where it began: at what an earlier one of the same semaphore had reached.
  [[nodiscard]] std::uint64_t begin() const noexcept { return semaphore_.reached; }

  /// Whether `value` is reached. Asks the device only if it was not when last asked.
  bool has_reached(std::uint64_t value);
  /// What is reached.
  std::uint64_t reached();
  /// Waits until `value` is reached, at most `timeout`. \returns Whether it is.
  bool wait(std::uint64_t value, std::chrono::nanoseconds timeout);
  /// Waits before what the work uses is let go, also when the driver fails at that for a while: for
  /// a second, then the device is lost. Not for a lost device.
  void settle(std::uint64_t value) noexcept;

 private:
  void sleep(std::uint64_t value, std::chrono::nanoseconds timeout);

  Context& context_;
  const TimelineSemaphore semaphore_;
  std::atomic<std::uint64_t> seen_;
};

}  // namespace headrace::vulkan
