// SPDX-License-Identifier: Apache-2.0
// Semaphores and fences: what a program learns from them of its submissions.
#include "vulkan_layer/objects.h"

#include <algorithm>

namespace headrace::vulkan_layer {

namespace {

void saw_value(Device& device, VkSemaphore semaphore, std::uint64_t value) {
  const std::scoped_lock held(lock());
  device.in_flight.saw_value(semaphore, value);
}

void saw_fence(Device& device, VkFence fence) {
  const std::scoped_lock held(lock());
  device.in_flight.saw_fence(fence);
}

/// A timeline has the value from now on, or will have by what was submitted.
void promise(Device& device, VkSemaphore semaphore, std::uint64_t value) {
  const std::scoped_lock held(lock());
  std::uint64_t& promised = device.promised[semaphore];
  promised = std::max(promised, value);
}

VkResult see_value(Device& device, VkSemaphore semaphore) {
  std::uint64_t value = 0;
  const VkResult result = device.next.GetSemaphoreCounterValue(device.handle, semaphore, &value);
  if (result == VK_SUCCESS) {
    saw_value(device, semaphore, value);
  }
  return result;
}

}  // namespace

VkResult layer_CreateSemaphore(VkDevice handle,
                               const VkSemaphoreCreateInfo* info,
                               const VkAllocationCallbacks* /*allocator*/,
                               VkSemaphore* made) {
  Device& device = device_of(handle);
  // Without the program's allocator: it is destroyed when that may be gone.
  const VkResult result = device.next.CreateSemaphore(handle, info, nullptr, made);
  if (result != VK_SUCCESS) {
    return result;
  }
  add_object(device, *made, "semaphore");
  const auto* type = find_in_chain<VkSemaphoreTypeCreateInfo>(
      info->pNext, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
  if (type != nullptr && type->semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE) {
    promise(device, *made, type->initialValue);
    saw_value(device, *made, type->initialValue);
  }
  return VK_SUCCESS;
}

void layer_DestroySemaphore(VkDevice handle,
                            VkSemaphore semaphore,
                            const VkAllocationCallbacks* /*allocator*/) {
  if (semaphore == VK_NULL_HANDLE) {
    return;
  }
  Device& device = device_of(handle);
  remove_object(device, semaphore, "vkDestroySemaphore");
  {
    const std::scoped_lock held(lock());
    device.promised.erase(semaphore);
    device.in_flight.forget(semaphore);
  }
  bury(device, semaphore);
}

VkResult layer_WaitSemaphores(VkDevice handle,
                              const VkSemaphoreWaitInfo* info,
                              std::uint64_t timeout) {
  Device& device = device_of(handle);
  const VkResult result = wait_unless_lost(device, timeout, [&](std::uint64_t slice) {
    return device.next.WaitSemaphores(handle, info, slice);
  });
  for (std::uint32_t index = 0; result == VK_SUCCESS && index < info->semaphoreCount; ++index) {
    if ((info->flags & VK_SEMAPHORE_WAIT_ANY_BIT) != 0) {
      see_value(device, info->pSemaphores[index]);
    } else {
      saw_value(device, info->pSemaphores[index], info->pValues[index]);
    }
  }
  return result;
}

VkResult layer_SignalSemaphore(VkDevice handle, const VkSemaphoreSignalInfo* info) {
  Device& device = device_of(handle);
  promise(device, info->semaphore, info->value);
  const VkResult result = device.next.SignalSemaphore(handle, info);
  if (result == VK_SUCCESS) {
    saw_value(device, info->semaphore, info->value);
  }
  return result;
}

VkResult layer_GetSemaphoreCounterValue(VkDevice handle,
                                        VkSemaphore semaphore,
                                        std::uint64_t* value) {
  Device& device = device_of(handle);
  const VkResult result = device.next.GetSemaphoreCounterValue(handle, semaphore, value);
  if (result == VK_SUCCESS) {
    saw_value(device, semaphore, *value);
  }
  return result;
}

VkResult layer_WaitForFences(VkDevice handle,
                             std::uint32_t count,
                             const VkFence* fences,
                             VkBool32 wait_all,
                             std::uint64_t timeout) {
  Device& device = device_of(handle);
  const VkResult result = wait_unless_lost(device, timeout, [&](std::uint64_t slice) {
    return device.next.WaitForFences(handle, count, fences, wait_all, slice);
  });
  for (std::uint32_t index = 0; result == VK_SUCCESS && index < count; ++index) {
    if (device.next.GetFenceStatus(handle, fences[index]) == VK_SUCCESS) {
      saw_fence(device, fences[index]);
    }
  }
  return result;
}

VkResult layer_GetFenceStatus(VkDevice handle, VkFence fence) {
  Device& device = device_of(handle);
  const VkResult result = device.next.GetFenceStatus(handle, fence);
  if (result == VK_SUCCESS) {
    saw_fence(device, fence);
  }
  return result;
}

}  // namespace headrace::vulkan_layer
