// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/timeline.h"

#include "backends/vulkan/context.h"

#include <algorithm>
#include <limits>
#include <thread>

namespace headrace::vulkan {

namespace {

/// How long a wait asks before it sleeps: about what a sleeping wait may take to wake up.
constexpr std::chrono::microseconds kSpin(100);
/// How long it sleeps at a time. A lost device may wake nobody.
constexpr std::chrono::milliseconds kSlice(50);
/// How soon a wait is tried again that must not fail, and how often: then the device is taken for
/// lost.
constexpr std::chrono::milliseconds kRetry(1);
constexpr int kTries = 1000;

}  // namespace

TimelineSemaphores::~TimelineSemaphores() {
  for (VkSemaphore semaphore : all_) {
    context_.calls().vkDestroySemaphore(context_.device(), semaphore, nullptr);
  }
}

TimelineSemaphore TimelineSemaphores::take() {
  context_.require_alive();  // Those of a lost one may never reach what they were to.
  const std::scoped_lock lock(mutex_);
  if (!idle_.empty()) {
    const TimelineSemaphore taken = idle_.back();
    idle_.pop_back();
    return taken;
  }
  all_.reserve(all_.size() + 1);
  idle_.reserve(all_.size() + 1);  // Giving it back cannot fail.
  const VkSemaphoreTypeCreateInfo type{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                       .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
  const VkSemaphoreCreateInfo info{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                   .pNext = &type};
  VkSemaphore handle = VK_NULL_HANDLE;
  context_.check(context_.calls().vkCreateSemaphore(context_.device(), &info, nullptr, &handle),
                 "vkCreateSemaphore");
  all_.push_back(handle);
  return {handle, 0};
}

void TimelineSemaphores::give_back(const TimelineSemaphore& semaphore) noexcept {
  const std::scoped_lock lock(mutex_);
  idle_.push_back(semaphore);
}

Timeline::Timeline(Context& context)
    : context_(context), semaphore_(context.semaphores().take()), seen_(semaphore_.reached) {}

Timeline::~Timeline() {
  context_.semaphores().give_back({semaphore_.handle, seen_.load(std::memory_order_acquire)});
}

std::uint64_t Timeline::reached() {
  context_.require_alive();
  std::uint64_t value = 0;
  VkResult result =
      context_.calls().vkGetSemaphoreCounterValue(context_.device(), semaphore_.handle, &value);
  if (value == std::numeric_limits<std::uint64_t>::max()) {
    result = VK_ERROR_DEVICE_LOST;  // What drivers leave there then.
  }
  context_.check(result, "vkGetSemaphoreCounterValue");
  std::uint64_t seen = seen_.load(std::memory_order_acquire);
  while (seen < value && !seen_.compare_exchange_weak(seen, value, std::memory_order_acq_rel)) {
  }
  return std::max(seen, value);
}

bool Timeline::has_reached(std::uint64_t value) {
  return seen_.load(std::memory_order_acquire) >= value || reached() >= value;
}

bool Timeline::wait(std::uint64_t value, std::chrono::nanoseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  while (!has_reached(value)) {
    const std::chrono::nanoseconds spent = Clock::now() - begin;
    if (spent >= timeout) {
      return false;
    }
    if (spent < kSpin) {
      std::this_thread::yield();
    } else {
      sleep(value, std::min<std::chrono::nanoseconds>(timeout - spent, kSlice));
    }
  }
  return true;
}

void Timeline::settle(std::uint64_t value) noexcept {
  for (int i = 0; i < kTries && !context_.is_lost(); ++i) {
    try {
      wait(value, std::chrono::nanoseconds::max());
      return;
    } catch (const Error&) {
      std::this_thread::sleep_for(kRetry);
    }
  }
  context_.give_up();
}

void Timeline::sleep(std::uint64_t value, std::chrono::nanoseconds timeout) {
  const VkSemaphoreWaitInfo info{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                 .semaphoreCount = 1,
                                 .pSemaphores = &semaphore_.handle,
                                 .pValues = &value};
  const VkResult result = context_.calls().vkWaitSemaphores(
      context_.device(), &info, static_cast<std::uint64_t>(timeout.count()));
  if (result != VK_TIMEOUT) {
    context_.check(result, "vkWaitSemaphores");
  }
}

}  // namespace headrace::vulkan
