// SPDX-License-Identifier: Apache-2.0
// Shader modules and pipelines: which buffers their work reads and writes.
#include "vulkan_layer/objects.h"

namespace headrace::vulkan_layer {

VkResult layer_CreateShaderModule(VkDevice handle,
                                  const VkShaderModuleCreateInfo* info,
                                  const VkAllocationCallbacks* allocator,
                                  VkShaderModule* made) {
  Device& device = device_of(handle);
  const VkResult result = device.next.CreateShaderModule(handle, info, allocator, made);
  if (result == VK_SUCCESS) {
    add_object(device, *made, "shader module");
    ShaderUses uses = uses_of(*info);
    const std::scoped_lock held(lock());
    device.modules[*made] = std::move(uses);
  }
  return result;
}

void layer_DestroyShaderModule(VkDevice handle,
                               VkShaderModule module,
                               const VkAllocationCallbacks* allocator) {
  Device& device = device_of(handle);
  remove_object(device, module, "vkDestroyShaderModule");
  {
    const std::scoped_lock held(lock());
    device.modules.erase(module);
  }
  device.next.DestroyShaderModule(handle, module, allocator);
}

VkResult layer_CreateComputePipelines(VkDevice handle,
                                      VkPipelineCache cache,
                                      std::uint32_t count,
                                      const VkComputePipelineCreateInfo* infos,
                                      const VkAllocationCallbacks* allocator,
                                      VkPipeline* made) {
  Device& device = device_of(handle);
  VkResult result = VK_SUCCESS;
  {
    const std::scoped_lock submitting(device.submitting);
    wait_for_rest(device);
    result = device.next.CreateComputePipelines(handle, cache, count, infos, allocator, made);
  }
  for (std::uint32_t index = 0; index < count; ++index) {
    if (made[index] != VK_NULL_HANDLE) {
      add_object(device, made[index], "pipeline");
      const std::scoped_lock held(lock());
      device.pipelines[made[index]] = device.modules[infos[index].stage.module];
    }
  }
  return result;
}

void layer_DestroyPipeline(VkDevice handle,
                           VkPipeline pipeline,
                           const VkAllocationCallbacks* allocator) {
  Device& device = device_of(handle);
  remove_object(device, pipeline, "vkDestroyPipeline");
  {
    const std::scoped_lock held(lock());
    device.pipelines.erase(pipeline);
  }
  const std::scoped_lock submitting(device.submitting);
  wait_for_rest(device);
  device.next.DestroyPipeline(handle, pipeline, allocator);
}

}  // namespace headrace::vulkan_layer
