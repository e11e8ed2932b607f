// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/heaps.h"
#include "vulkan_layer/lock.h"
#include "vulkan_layer/objects.h"
#include "vulkan_layer/queue_families.h"

#include <string>

namespace headrace::vulkan_layer {

namespace {

/// Notes what a buffer's memory is. Takes the lock.
void note_bound(Device& device, VkBuffer buffer, VkDeviceMemory memory) {
  std::uint32_t type = 0;
  {
    const std::scoped_lock held(lock());
    device.buffers[buffer].memory = memory;
    type = device.memories[memory].type;
  }
  if ((kBufferTypes >> type & 1U) == 0) {
    violate("vkBindBufferMemory: memory of type " + std::to_string(type) + " is not for buffers");
  }
}

}  // namespace

VkResult layer_CreateBuffer(VkDevice handle,
                            const VkBufferCreateInfo* info,
                            const VkAllocationCallbacks* allocator,
                            VkBuffer* made) {
  Device& device = device_of(handle);
  VkBufferCreateInfo real = *info;
  real.sharingMode = VK_SHARING_MODE_EXCLUSIVE;  // The driver has one family.
  real.queueFamilyIndexCount = 0;
  real.pQueueFamilyIndices = nullptr;
  const VkResult result = device.next.CreateBuffer(handle, &real, allocator, made);
  if (result == VK_SUCCESS) {
    add_object(device, *made, "buffer");
    const std::scoped_lock held(lock());
    device.buffers[*made] = Buffer{};
    device.buffers[*made].is_exclusive = info->sharingMode == VK_SHARING_MODE_EXCLUSIVE;
  }
  return result;
}

void layer_DestroyBuffer(VkDevice handle, VkBuffer buffer, const VkAllocationCallbacks* allocator) {
  Device& device = device_of(handle);
  remove_object(device, buffer, "vkDestroyBuffer");
  {
    const std::scoped_lock held(lock());
    device.buffers.erase(buffer);
  }
  device.next.DestroyBuffer(handle, buffer, allocator);
}

VkResult layer_BindBufferMemory(VkDevice handle,
                                VkBuffer buffer,
                                VkDeviceMemory memory,
                                VkDeviceSize offset) {
  Device& device = device_of(handle);
  const VkResult result = device.next.BindBufferMemory(handle, buffer, memory, offset);
  if (result == VK_SUCCESS) {
    note_bound(device, buffer, memory);
  }
  return result;
}

VkResult layer_BindBufferMemory2(VkDevice handle,
                                 std::uint32_t count,
                                 const VkBindBufferMemoryInfo* infos) {
  Device& device = device_of(handle);
  const VkResult result = device.next.BindBufferMemory2(handle, count, infos);
  if (result == VK_SUCCESS) {
    for (std::uint32_t index = 0; index < count; ++index) {
      note_bound(device, infos[index].buffer, infos[index].memory);
    }
  }
  return result;
}

void layer_GetBufferMemoryRequirements(VkDevice handle,
                                       VkBuffer buffer,
                                       VkMemoryRequirements* requirements) {
  device_of(handle).next.GetBufferMemoryRequirements(handle, buffer, requirements);
  requirements->memoryTypeBits = kBufferTypes;
}

void layer_GetBufferMemoryRequirements2(VkDevice handle,
                                        const VkBufferMemoryRequirementsInfo2* info,
                                        VkMemoryRequirements2* requirements) {
  device_of(handle).next.GetBufferMemoryRequirements2(handle, info, requirements);
  requirements->memoryRequirements.memoryTypeBits = kBufferTypes;
}

}  // namespace headrace::vulkan_layer
