// SPDX-License-Identifier: Apache-2.0
// Objects of which the layer knows only that they are there.
#include "vulkan_layer/objects.h"

#include <algorithm>

namespace headrace::vulkan_layer {

int live_objects(const std::string& kind) {
  const std::vector<Device*> devices = live_devices();
  if (kind == "device") {
    return static_cast<int>(devices.size());
  }
  const std::scoped_lock held(lock());
  std::ptrdiff_t count = 0;
  for (const Device* device : devices) {
    count += std::ranges::count_if(device->objects,
                                   [&](const auto& object) { return object.second == kind; });
  }
  return static_cast<int>(count);
}

std::string live_objects_of(const Device& device) {
  std::map<std::string, int> kinds;
  {
    const std::scoped_lock held(lock());
    for (const auto& [handle, kind] : device.objects) {
      ++kinds[kind];
    }
  }
  std::string all;
  for (const auto& [kind, count] : kinds) {
    all += (all.empty() ? "" : ", ") + std::to_string(count) + " " + kind;
  }
  return all;
}

#define HEADRACE_VULKAN_LAYER_OBJECT(Name, kind)                                     \
  VkResult layer_Create##Name(VkDevice handle,                                       \
                              const Vk##Name##CreateInfo* info,                      \
                              const VkAllocationCallbacks* allocator,                \
                              Vk##Name* made) {                                      \
    Device& device = device_of(handle);                                              \
    const VkResult result = device.next.Create##Name(handle, info, allocator, made); \
    if (result == VK_SUCCESS) {                                                      \
      add_object(device, *made, kind);                                               \
    }                                                                                \
    return result;                                                                   \
  }                                                                                  \
  void layer_Destroy##Name(                                                          \
      VkDevice handle, Vk##Name object, const VkAllocationCallbacks* allocator) {    \
    Device& device = device_of(handle);                                              \
    remove_object(device, object, "vkDestroy" #Name);                                \
    device.next.Destroy##Name(handle, object, allocator);                            \
  }

HEADRACE_VULKAN_LAYER_OBJECT(Fence, "fence")
HEADRACE_VULKAN_LAYER_OBJECT(DescriptorSetLayout, "descriptor set layout")
HEADRACE_VULKAN_LAYER_OBJECT(PipelineLayout, "pipeline layout")
HEADRACE_VULKAN_LAYER_OBJECT(PipelineCache, "pipeline cache")
HEADRACE_VULKAN_LAYER_OBJECT(QueryPool, "query pool")
#undef HEADRACE_VULKAN_LAYER_OBJECT

}  // namespace headrace::vulkan_layer
