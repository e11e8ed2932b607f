// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/driver_queue.h"

#include "vulkan_layer/lock.h"

namespace headrace::vulkan_layer {

namespace {

std::atomic<bool> holding{false};

/// Nanoseconds that the layer waits of itself at the most, for work that may wait for ever.
constexpr std::uint64_t kLongest = 2'000'000'000;

VkSemaphoreSignalInfo signal_of(VkSemaphore semaphore, std::uint64_t value) {
  VkSemaphoreSignalInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO;
  info.semaphore = semaphore;
  info.value = value;
  return info;
}

/// `submitting` is held.
void open_gate(Device& device) {
  const VkSemaphoreSignalInfo signal = signal_of(device.gate, ++device.opened);
  device.next.SignalSemaphore(device.handle, &signal);
  device.free = device.submitted;
}

VkResult wait_for_number(Device& device, std::uint64_t number, std::uint64_t timeout) {
  VkSemaphoreWaitInfo wait{};
  wait.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
  wait.semaphoreCount = 1;
  wait.pSemaphores = &device.done;
  wait.pValues = &number;
  return device.next.WaitSemaphores(device.handle, &wait, timeout);
}

/// Gives the first submission that is not done what it waits for and nobody will give it.
void give_what_it_waits_for(Device& device) {
  std::uint64_t done = 0;
  device.next.GetSemaphoreCounterValue(device.handle, device.done, &done);
  std::vector<TimelineValue> waits;
  {
    const std::scoped_lock held(lock());
    waits = device.in_flight.waits_after(done);
  }
  for (const auto& [semaphore, value] : waits) {
    std::uint64_t reached = 0;
    device.next.GetSemaphoreCounterValue(device.handle, semaphore, &reached);
    if (reached < value) {
      const VkSemaphoreSignalInfo signal = signal_of(semaphore, value);
      device.next.SignalSemaphore(device.handle, &signal);
    }
  }
}

}  // namespace

void drain(Device& device) {
  constexpr std::uint64_t kSlice = 50'000'000;
  open_gate(device);
  while (wait_for_number(device, device.submitted, kSlice) == VK_TIMEOUT) {
    give_what_it_waits_for(device);
  }
}

void bury(Device& device, VkSemaphore semaphore) {
  const std::scoped_lock submitting(device.submitting);
  std::uint64_t done = 0;
  device.next.GetSemaphoreCounterValue(device.handle, device.done, &done);
  std::erase_if(device.buried, [&](const auto& each) {
    const auto& [last, buried] = each;
    if (done > last) {  // A later one is done, so that nobody looks back.
      device.next.DestroySemaphore(device.handle, buried, nullptr);
    }
    return done > last;
  });
  device.buried.emplace_back(device.submitted, semaphore);
}

void wait_for_rest(Device& device) {
  wait_for_number(device, device.free, kLongest);
}

void settle(Device& device) {
  if (!device.is_lost) {
    return;
  }
  const std::scoped_lock submitting(device.submitting);
  if (!device.has_settled) {
    drain(device);
    device.has_settled = true;
    const std::scoped_lock held(lock());
    device.in_flight.saw_all();
  }
}

void expect_unused(Device& device, std::uint64_t handle, const char* call, const char* kind) {
  settle(device);
  std::optional<std::uint64_t> user;
  {
    const std::scoped_lock held(lock());
    user = device.in_flight.user_of(handle);
  }
  if (user) {
    violate(std::string(call) + ": the " + kind + " may still be used by submission " +
            std::to_string(*user) + ", which was not seen to be done");
    const std::scoped_lock submitting(device.submitting);
    drain(device);
  }
}

void hold() {
  holding = true;
}

void release() {
  holding = false;
  for (Device* device : live_devices()) {
    const std::scoped_lock submitting(device->submitting);
    open_gate(*device);
  }
}

bool is_holding() {
  return holding;
}

void lose() {
  for (Device* device : live_devices()) {
    device->is_lost = true;
  }
}

VkResult wait_for_submission(Device& device, std::uint64_t number, std::uint64_t timeout) {
  return wait_unless_lost(
      device, timeout, [&](std::uint64_t slice) { return wait_for_number(device, number, slice); });
}

}  // namespace headrace::vulkan_layer
