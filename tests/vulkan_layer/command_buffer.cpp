// SPDX-License-Identifier: Apache-2.0
// Command pools and buffers: what a command buffer uses, and families that the driver knows.
#include "vulkan_layer/objects.h"
#include "vulkan_layer/queue_families.h"

#include <vector>

namespace headrace::vulkan_layer {

namespace {

/// Begins to note anew what a command buffer uses.
void clear_recording(Device& device, VkCommandBuffer commands) {
  const std::scoped_lock held(lock());
  Recording& recording = device.recordings[commands];
  recording = Recording{.pool = recording.pool};
}

/// Notes that a command buffer uses a buffer.
void note_access(Device& device, VkCommandBuffer commands, const Access& access) {
  const std::scoped_lock held(lock());
  Recording& recording = device.recordings[commands];
  recording.buffers.insert(access.buffer);
  recording.accesses.push_back(access);
}

/// Notes what a dispatch does with what is bound.
void note_dispatch(Device& device, VkCommandBuffer commands) {
  const std::scoped_lock held(lock());
  Recording& recording = device.recordings[commands];
  const ShaderUses& uses = device.pipelines[recording.bound_pipeline];
  for (const auto& [number, set] : recording.bound_sets) {
    for (const auto& [place, info] : device.sets[set].buffers) {
      if (const auto use = uses.find({number, place.first}); use != uses.end()) {
        recording.accesses.push_back(access_to(info.buffer, info.offset, info.range, use->second));
      }
    }
  }
}

/// Notes that families hand a buffer over.
void note_barrier(Device& device, const VkBufferMemoryBarrier& barrier) {
  if (barrier.srcQueueFamilyIndex != barrier.dstQueueFamilyIndex) {
    const std::scoped_lock held(lock());
    device.buffers[barrier.buffer].is_handed_over = true;
  }
}

void clear_recordings_of(Device& device, VkCommandPool pool, bool is_destroyed) {
  const std::scoped_lock held(lock());
  if (is_destroyed) {
    std::erase_if(device.recordings, [&](const auto& each) { return each.second.pool == pool; });
    return;
  }
  for (auto& [commands, recording] : device.recordings) {
    if (recording.pool == pool) {
      recording = Recording{.pool = pool};
    }
  }
}

}  // namespace

VkResult layer_CreateCommandPool(VkDevice handle,
                                 const VkCommandPoolCreateInfo* info,
                                 const VkAllocationCallbacks* allocator,
                                 VkCommandPool* made) {
  Device& device = device_of(handle);
  VkCommandPoolCreateInfo real = *info;
  real.queueFamilyIndex = kRealFamily;
  const VkResult result = device.next.CreateCommandPool(handle, &real, allocator, made);
  if (result == VK_SUCCESS) {
    add_object(device, *made, "command pool");
  }
  return result;
}

void layer_DestroyCommandPool(VkDevice handle,
                              VkCommandPool pool,
                              const VkAllocationCallbacks* allocator) {
  Device& device = device_of(handle);
  remove_object(device, pool, "vkDestroyCommandPool");
  clear_recordings_of(device, pool, true);
  device.next.DestroyCommandPool(handle, pool, allocator);
}

VkResult layer_ResetCommandPool(VkDevice handle,
                                VkCommandPool pool,
                                VkCommandPoolResetFlags flags) {
  Device& device = device_of(handle);
  expect_unused(device, number_of(pool), "vkResetCommandPool", "command pool");
  clear_recordings_of(device, pool, false);
  return device.next.ResetCommandPool(handle, pool, flags);
}

VkResult layer_AllocateCommandBuffers(VkDevice handle,
                                      const VkCommandBufferAllocateInfo* info,
                                      VkCommandBuffer* made) {
  Device& device = device_of(handle);
  const VkResult result = device.next.AllocateCommandBuffers(handle, info, made);
  if (result == VK_SUCCESS) {
    const std::scoped_lock held(lock());
    for (std::uint32_t index = 0; index < info->commandBufferCount; ++index) {
      device.recordings[made[index]] = Recording{.pool = info->commandPool};
    }
  }
  return result;
}

void layer_FreeCommandBuffers(VkDevice handle,
                              VkCommandPool pool,
                              std::uint32_t count,
                              const VkCommandBuffer* freed) {
  Device& device = device_of(handle);
  for (std::uint32_t index = 0; index < count; ++index) {
    expect_unused(device, number_of(freed[index]), "vkFreeCommandBuffers", "command buffer");
    const std::scoped_lock held(lock());
    device.recordings.erase(freed[index]);
  }
  device.next.FreeCommandBuffers(handle, pool, count, freed);
}

VkResult layer_BeginCommandBuffer(VkCommandBuffer commands, const VkCommandBufferBeginInfo* info) {
  Device& device = device_of(commands);
  expect_unused(device, number_of(commands), "vkBeginCommandBuffer", "command buffer");
  clear_recording(device, commands);
  return device.next.BeginCommandBuffer(commands, info);
}

VkResult layer_ResetCommandBuffer(VkCommandBuffer commands, VkCommandBufferResetFlags flags) {
  Device& device = device_of(commands);
  expect_unused(device, number_of(commands), "vkResetCommandBuffer", "command buffer");
  clear_recording(device, commands);
  return device.next.ResetCommandBuffer(commands, flags);
}

// NOLINTNEXTLINE(readability-function-size): Vulkan's.
void layer_CmdPipelineBarrier(VkCommandBuffer commands,
                              VkPipelineStageFlags source,
                              VkPipelineStageFlags target,
                              VkDependencyFlags flags,
                              std::uint32_t memory_count,
                              const VkMemoryBarrier* memories,
                              std::uint32_t buffer_count,
                              const VkBufferMemoryBarrier* buffers,
                              std::uint32_t image_count,
                              const VkImageMemoryBarrier* images) {
  std::vector<VkBufferMemoryBarrier> real(buffers, buffers + buffer_count);
  Device& device = device_of(commands);
  for (VkBufferMemoryBarrier& barrier : real) {  // Within the driver's one family nobody owns.
    note_barrier(device, barrier);
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
  }
  device.next.CmdPipelineBarrier(commands,
                                 source,
                                 target,
                                 flags,
                                 memory_count,
                                 memories,
                                 buffer_count,
                                 real.data(),
                                 image_count,
                                 images);
}

void layer_CmdCopyBuffer(VkCommandBuffer commands,
                         VkBuffer source,
                         VkBuffer target,
                         std::uint32_t count,
                         const VkBufferCopy* regions) {
  Device& device = device_of(commands);
  for (std::uint32_t index = 0; index < count; ++index) {
    const VkBufferCopy& region = regions[index];
    note_access(device, commands, access_to(source, region.srcOffset, region.size, false));
    note_access(device, commands, access_to(target, region.dstOffset, region.size, true));
  }
  device.next.CmdCopyBuffer(commands, source, target, count, regions);
}

void layer_CmdFillBuffer(VkCommandBuffer commands,
                         VkBuffer target,
                         VkDeviceSize offset,
                         VkDeviceSize size,
                         std::uint32_t value) {
  Device& device = device_of(commands);
  note_access(device, commands, access_to(target, offset, size, true));
  device.next.CmdFillBuffer(commands, target, offset, size, value);
}

void layer_CmdUpdateBuffer(VkCommandBuffer commands,
                           VkBuffer target,
                           VkDeviceSize offset,
                           VkDeviceSize size,
                           const void* data) {
  Device& device = device_of(commands);
  note_access(device, commands, access_to(target, offset, size, true));
  device.next.CmdUpdateBuffer(commands, target, offset, size, data);
}

void layer_CmdDispatch(VkCommandBuffer commands,
                       std::uint32_t x,
                       std::uint32_t y,
                       std::uint32_t z) {
  Device& device = device_of(commands);
  note_dispatch(device, commands);
  device.next.CmdDispatch(commands, x, y, z);
}

void layer_CmdDispatchIndirect(VkCommandBuffer commands, VkBuffer buffer, VkDeviceSize offset) {
  Device& device = device_of(commands);
  note_access(
      device, commands, access_to(buffer, offset, sizeof(VkDispatchIndirectCommand), false));
  note_dispatch(device, commands);
  device.next.CmdDispatchIndirect(commands, buffer, offset);
}

void layer_CmdBindPipeline(VkCommandBuffer commands,
                           VkPipelineBindPoint point,
                           VkPipeline pipeline) {
  Device& device = device_of(commands);
  {
    const std::scoped_lock held(lock());
    device.recordings[commands].pipelines.insert(pipeline);
    device.recordings[commands].bound_pipeline = pipeline;
  }
  device.next.CmdBindPipeline(commands, point, pipeline);
}

// NOLINTNEXTLINE(readability-function-size): Vulkan's.
void layer_CmdBindDescriptorSets(VkCommandBuffer commands,
                                 VkPipelineBindPoint point,
                                 VkPipelineLayout layout,
                                 std::uint32_t first,
                                 std::uint32_t count,
                                 const VkDescriptorSet* sets,
                                 std::uint32_t offset_count,
                                 const std::uint32_t* offsets) {
  Device& device = device_of(commands);
  if (offset_count != 0) {
    violate("vkCmdBindDescriptorSets: this layer does not follow dynamic offsets");
  }
  {
    const std::scoped_lock held(lock());
    Recording& recording = device.recordings[commands];
    recording.sets.insert(sets, sets + count);
    for (std::uint32_t index = 0; index < count; ++index) {
      recording.bound_sets[first + index] = sets[index];
    }
  }
  device.next.CmdBindDescriptorSets(
      commands, point, layout, first, count, sets, offset_count, offsets);
}

}  // namespace headrace::vulkan_layer
