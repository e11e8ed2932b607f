// SPDX-License-Identifier: Apache-2.0
// Descriptor pools and sets: which buffers a set names.
#include "vulkan_layer/objects.h"

namespace headrace::vulkan_layer {

namespace {

void drop_sets_of(Device& device, VkDescriptorPool pool) {
  const std::scoped_lock held(lock());
  std::erase_if(device.sets, [&](const auto& each) { return each.second.pool == pool; });
}

/// The lock is held.
void write(Device& device, const VkWriteDescriptorSet& written) {
  if (written.pBufferInfo == nullptr) {
    return;
  }
  auto& buffers = device.sets[written.dstSet].buffers;
  for (std::uint32_t index = 0; index < written.descriptorCount; ++index) {
    buffers[{written.dstBinding, written.dstArrayElement + index}] = written.pBufferInfo[index];
  }
}

}  // namespace

VkResult layer_CreateDescriptorPool(VkDevice handle,
                                    const VkDescriptorPoolCreateInfo* info,
                                    const VkAllocationCallbacks* allocator,
                                    VkDescriptorPool* made) {
  Device& device = device_of(handle);
  const VkResult result = device.next.CreateDescriptorPool(handle, info, allocator, made);
  if (result == VK_SUCCESS) {
    add_object(device, *made, "descriptor pool");
  }
  return result;
}

void layer_DestroyDescriptorPool(VkDevice handle,
                                 VkDescriptorPool pool,
                                 const VkAllocationCallbacks* allocator) {
  Device& device = device_of(handle);
  remove_object(device, pool, "vkDestroyDescriptorPool");
  drop_sets_of(device, pool);
  device.next.DestroyDescriptorPool(handle, pool, allocator);
}

VkResult layer_ResetDescriptorPool(VkDevice handle,
                                   VkDescriptorPool pool,
                                   VkDescriptorPoolResetFlags flags) {
  Device& device = device_of(handle);
  expect_unused(device, number_of(pool), "vkResetDescriptorPool", "descriptor pool");
  drop_sets_of(device, pool);
  return device.next.ResetDescriptorPool(handle, pool, flags);
}

VkResult layer_AllocateDescriptorSets(VkDevice handle,
                                      const VkDescriptorSetAllocateInfo* info,
                                      VkDescriptorSet* made) {
  Device& device = device_of(handle);
  const VkResult result = device.next.AllocateDescriptorSets(handle, info, made);
  if (result == VK_SUCCESS) {
    const std::scoped_lock held(lock());
    for (std::uint32_t index = 0; index < info->descriptorSetCount; ++index) {
      device.sets[made[index]] = DescriptorSet{.pool = info->descriptorPool, .buffers = {}};
    }
  }
  return result;
}

VkResult layer_FreeDescriptorSets(VkDevice handle,
                                  VkDescriptorPool pool,
                                  std::uint32_t count,
                                  const VkDescriptorSet* freed) {
  Device& device = device_of(handle);
  for (std::uint32_t index = 0; index < count; ++index) {
    expect_unused(device, number_of(freed[index]), "vkFreeDescriptorSets", "descriptor set");
    const std::scoped_lock held(lock());
    device.sets.erase(freed[index]);
  }
  return device.next.FreeDescriptorSets(handle, pool, count, freed);
}

void layer_UpdateDescriptorSets(VkDevice handle,
                                std::uint32_t write_count,
                                const VkWriteDescriptorSet* writes,
                                std::uint32_t copy_count,
                                const VkCopyDescriptorSet* copies) {
  Device& device = device_of(handle);
  if (copy_count != 0) {
    violate("vkUpdateDescriptorSets: this layer does not follow copies of descriptors");
  }
  for (std::uint32_t index = 0; index < write_count; ++index) {
    expect_unused(
        device, number_of(writes[index].dstSet), "vkUpdateDescriptorSets", "descriptor set");
    const std::scoped_lock held(lock());
    write(device, writes[index]);
  }
  device.next.UpdateDescriptorSets(handle, write_count, writes, copy_count, copies);
}

}  // namespace headrace::vulkan_layer
