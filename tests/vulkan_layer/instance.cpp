// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/instance.h"

#include "vulkan_layer/lock.h"

#include <map>
#include <memory>

namespace headrace::vulkan_layer {

namespace {

std::map<void*, std::unique_ptr<Instance>>& instances() {
  static auto* const kInstances = new std::map<void*, std::unique_ptr<Instance>>;
  return *kInstances;
}

Instance& instance_with(void* key) {
  const std::scoped_lock held(lock());
  return *instances().at(key);
}

/// The loader's note of who comes next, which each layer moves on by one.
VkLayerInstanceCreateInfo* find_link(const VkInstanceCreateInfo& info) {
  auto* next = static_cast<VkLayerInstanceCreateInfo*>(const_cast<void*>(info.pNext));
  while (next != nullptr && (next->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
                             next->function != VK_LAYER_LINK_INFO)) {
    next = static_cast<VkLayerInstanceCreateInfo*>(const_cast<void*>(next->pNext));
  }
  return next;
}

/// Asked once: what is asked for later, the loader may answer with this layer's own.
void load_calls(PFN_vkGetInstanceProcAddr get, VkInstance instance, InstanceCalls& calls) {
  calls.GetInstanceProcAddr = get;
#define HEADRACE_VULKAN_LAYER_LOAD(name) \
  calls.name = reinterpret_cast<PFN_vk##name>(get(instance, "vk" #name));
  HEADRACE_VULKAN_LAYER_INSTANCE_CALLS(HEADRACE_VULKAN_LAYER_LOAD)
#undef HEADRACE_VULKAN_LAYER_LOAD
}

}  // namespace

Instance& instance_of(VkInstance handle) {
  return instance_with(dispatch_key(handle));
}

Instance& instance_of(VkPhysicalDevice handle) {
  return instance_with(dispatch_key(handle));
}

VkResult layer_CreateInstance(const VkInstanceCreateInfo* info,
                              const VkAllocationCallbacks* allocator,
                              VkInstance* handle) {
  VkLayerInstanceCreateInfo* link = find_link(*info);
  std::optional<Settings> settings = read_settings();
  if (link == nullptr || !settings) {
    return VK_ERROR_INITIALIZATION_FAILED;
  }
  const PFN_vkGetInstanceProcAddr get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  const auto create = reinterpret_cast<PFN_vkCreateInstance>(get(nullptr, "vkCreateInstance"));
  const VkResult result = create(info, allocator, handle);
  if (result != VK_SUCCESS) {
    return result;
  }
  auto made = std::make_unique<Instance>();
  made->handle = *handle;
  made->settings = *std::move(settings);
  load_calls(get, *handle, made->next);
  const std::scoped_lock held(lock());
  instances()[dispatch_key(*handle)] = std::move(made);
  return VK_SUCCESS;
}

void layer_DestroyInstance(VkInstance handle, const VkAllocationCallbacks* allocator) {
  if (handle == VK_NULL_HANDLE) {
    return;
  }
  std::unique_ptr<Instance> instance;
  {
    const std::scoped_lock held(lock());
    const auto found = instances().find(dispatch_key(handle));
    instance = std::move(found->second);
    instances().erase(found);
  }
  instance->next.DestroyInstance(handle, allocator);
}

}  // namespace headrace::vulkan_layer
