// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/device.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

// The driver's one queue: what is done with the work that is in it. All of these take the locks
// that they need.

namespace headrace::vulkan_layer {

/// Lets everything that was submitted run out, whatever it waits for. `submitting` is held.
void drain(Device& device);

/// To be called before something is destroyed or reset: a device that is lost may still work on it,
/// and programs need not wait for that.
void settle(Device& device);

/// Notes it when a submission that the program does not know to be done may use an object that it
/// is about to destroy or change; then waits for it, so that the driver survives.
void expect_unused(Device& device, std::uint64_t handle, const char* call, const char* kind);

/// Destroys a semaphore, later: Mesa's queues touch those that a submission waited for once more
/// after it is done.
void bury(Device& device, VkSemaphore semaphore);

/// Waits until the driver carries nothing out; what is held back stays. lavapipe makes pipelines in
/// the context that its queue works with, and falls over when both happen. `submitting` is held.
void wait_for_rest(Device& device);

/// Whether submissions are held back from now on.
void hold();
void release();
bool is_holding();

/// Loses every device that is there.
void lose();

/// Waits up to `timeout` nanoseconds with `wait`, which waits as long as it is told; a device that
/// is lost meanwhile ends it.
template <class Wait>
VkResult wait_unless_lost(const Device& device, std::uint64_t timeout, const Wait& wait) {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t kSlice = 2'000'000;
  const auto begin = Clock::now();
  for (;;) {
    const auto passed = static_cast<std::uint64_t>((Clock::now() - begin).count());
    const std::uint64_t left = timeout - std::min(passed, timeout);
    const VkResult result = wait(std::min(kSlice, left));
    if (device.is_lost) {
      return VK_ERROR_DEVICE_LOST;
    }
    if (result != VK_TIMEOUT || left <= kSlice) {
      return result;
    }
  }
}

/// Waits until the submission of a number is done.
VkResult wait_for_submission(Device& device, std::uint64_t number, std::uint64_t timeout);

}  // namespace headrace::vulkan_layer
