// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/device.h"

#include "vulkan_layer/features.h"
#include "vulkan_layer/objects.h"
#include "vulkan_layer/queue_families.h"

#include <algorithm>
#include <string_view>

namespace headrace::vulkan_layer {

namespace {

std::map<void*, std::unique_ptr<Device>>& devices() {
  static auto* const kDevices = new std::map<void*, std::unique_ptr<Device>>;
  return *kDevices;
}

/// The loader's notes: who comes next, and how to make an object one of its own.
VkLayerDeviceCreateInfo* find_note(const VkDeviceCreateInfo& info, VkLayerFunction function) {
  auto* next = static_cast<VkLayerDeviceCreateInfo*>(const_cast<void*>(info.pNext));
  while (next != nullptr && (next->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
                             next->function != function)) {
    next = static_cast<VkLayerDeviceCreateInfo*>(const_cast<void*>(next->pNext));
  }
  return next;
}

struct Extensions {
  std::vector<const char*> of_driver;
  bool has_hidden = false;
  bool has_portability_subset = false;
};

/// Which extensions are asked for, without those that are this layer's.
Extensions read_extensions(const Settings& settings, const VkDeviceCreateInfo& info) {
  Extensions extensions;
  for (std::uint32_t index = 0; index < info.enabledExtensionCount; ++index) {
    const std::string_view name = info.ppEnabledExtensionNames[index];
    if (name == VK_KHR_PORTABILITY_SUBSET_EXTENSION_NAME) {
      extensions.has_portability_subset = true;
    } else if (name != VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) {
      extensions.of_driver.push_back(info.ppEnabledExtensionNames[index]);
      extensions.has_hidden = extensions.has_hidden || is_hidden_extension(settings, name);
    }
  }
  return extensions;
}

/// Whether the families asked for have as many queues.
bool has_queues(VkPhysicalDevice physical, const VkDeviceCreateInfo& info) {
  const std::vector<VkQueueFamilyProperties> families = queue_families(physical);
  const std::vector<VkDeviceQueueCreateInfo> asked(
      info.pQueueCreateInfos, info.pQueueCreateInfos + info.queueCreateInfoCount);
  return std::ranges::all_of(asked, [&](const VkDeviceQueueCreateInfo& each) {
    return each.queueFamilyIndex < families.size() &&
           each.queueCount <= families[each.queueFamilyIndex].queueCount;
  });
}

void load_calls(PFN_vkGetDeviceProcAddr get, VkDevice device, DeviceCalls& calls) {
  calls.GetDeviceProcAddr = get;
#define HEADRACE_VULKAN_LAYER_LOAD(name) \
  calls.name = reinterpret_cast<PFN_vk##name>(get(device, "vk" #name));
  HEADRACE_VULKAN_LAYER_DEVICE_CALLS(HEADRACE_VULKAN_LAYER_LOAD)
#undef HEADRACE_VULKAN_LAYER_LOAD
}

VkResult make_timeline(const Device& device, VkSemaphore& semaphore) {
  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  info.pNext = &type;
  return device.next.CreateSemaphore(device.handle, &info, nullptr, &semaphore);
}

void make_queues(const VkDeviceCreateInfo& info, Device& device) {
  for (std::uint32_t each = 0; each < info.queueCreateInfoCount; ++each) {
    const VkDeviceQueueCreateInfo& asked = info.pQueueCreateInfos[each];
    for (std::uint32_t index = 0; index < asked.queueCount; ++index) {
      auto queue = std::make_unique<Queue>();
      queue->dispatch = dispatch_key(device.handle);
      queue->device = &device;
      queue->family = asked.queueFamilyIndex;
      device.queues[{asked.queueFamilyIndex, index}] = std::move(queue);
    }
  }
}

/// What the driver is asked for: its one queue, and only its own extensions.
VkResult make_real_device(const Instance& instance,
                          VkPhysicalDevice physical,
                          const VkDeviceCreateInfo& info,
                          const std::vector<const char*>& extensions,
                          const VkAllocationCallbacks* allocator,
                          Device& device) {
  VkLayerDeviceCreateInfo* link = find_note(info, VK_LAYER_LINK_INFO);
  const VkLayerDeviceLink next = *link->u.pLayerInfo;
  link->u.pLayerInfo = next.pNext;
  const float priority = 1.0F;
  VkDeviceQueueCreateInfo queue{};
  queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue.queueFamilyIndex = kRealFamily;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo real = info;
  real.queueCreateInfoCount = 1;
  real.pQueueCreateInfos = &queue;
  real.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
  real.ppEnabledExtensionNames = extensions.data();
  const auto create = reinterpret_cast<PFN_vkCreateDevice>(
      next.pfnNextGetInstanceProcAddr(instance.handle, "vkCreateDevice"));
  const VkResult result = create(physical, &real, allocator, &device.handle);
  if (result == VK_SUCCESS) {
    load_calls(next.pfnNextGetDeviceProcAddr, device.handle, device.next);
  }
  return result;
}

}  // namespace

Device& device_with(void* key) {
  const std::scoped_lock held(lock());
  return *devices().at(key);
}

std::vector<Device*> live_devices() {
  const std::scoped_lock held(lock());
  std::vector<Device*> live;
  for (const auto& [key, device] : devices()) {
    live.push_back(device.get());
  }
  return live;
}

VkResult layer_CreateDevice(VkPhysicalDevice physical,
                            const VkDeviceCreateInfo* info,
                            const VkAllocationCallbacks* allocator,
                            VkDevice* handle) {
  const Instance& instance = instance_of(physical);
  const Extensions extensions = read_extensions(instance.settings, *info);
  if (extensions.has_hidden) {
    return VK_ERROR_EXTENSION_NOT_PRESENT;
  }
  if (asks_for_hidden(instance.settings, *info)) {
    return VK_ERROR_FEATURE_NOT_PRESENT;
  }
  if (!has_queues(physical, *info)) {
    violate("vkCreateDevice: there are not as many queues");
    return VK_ERROR_INITIALIZATION_FAILED;
  }
  if (instance.settings.is_portability_subset && !extensions.has_portability_subset) {
    violate("vkCreateDevice: VK_KHR_portability_subset is there and was not enabled");
  }
  auto device = std::make_unique<Device>();
  device->handle = *handle;  // The loader hands itself something by it.
  device->physical = physical;
  device->settings = instance.settings;
  const VkResult result =
      make_real_device(instance, physical, *info, extensions.of_driver, allocator, *device);
  if (result != VK_SUCCESS) {
    return result;
  }
  device->next.GetDeviceQueue(device->handle, kRealFamily, 0, &device->real_queue);
  find_note(*info, VK_LOADER_DATA_CALLBACK)
      ->u.pfnSetDeviceLoaderData(device->handle, device->real_queue);
  make_queues(*info, *device);
  make_timeline(*device, device->done);
  make_timeline(*device, device->gate);
  *handle = device->handle;
  const std::scoped_lock held(lock());
  devices()[dispatch_key(*handle)] = std::move(device);
  return VK_SUCCESS;
}

void layer_DestroyDevice(VkDevice handle, const VkAllocationCallbacks* allocator) {
  if (handle == VK_NULL_HANDLE) {
    return;
  }
  Device& device = device_of(handle);
  settle(device);
  if (const std::string alive = live_objects_of(device); !alive.empty()) {
    violate("vkDestroyDevice: still alive: " + alive);
  }
  {
    const std::scoped_lock submitting(device.submitting);
    drain(device);
    device.next.DeviceWaitIdle(handle);
  }
  for (const auto& [memory, is_of] : device.memories) {
    (void)memory;
    give_back(device, is_of);
  }
  for (const auto& [last, semaphore] : device.buried) {
    (void)last;
    device.next.DestroySemaphore(handle, semaphore, nullptr);
  }
  device.next.DestroySemaphore(handle, device.done, nullptr);
  device.next.DestroySemaphore(handle, device.gate, nullptr);
  std::unique_ptr<Device> destroyed;
  {
    const std::scoped_lock held(lock());
    const auto found = devices().find(dispatch_key(handle));
    destroyed = std::move(found->second);
    devices().erase(found);
  }
  destroyed->next.DestroyDevice(handle, allocator);
}

void layer_GetDeviceQueue(VkDevice handle,
                          std::uint32_t family,
                          std::uint32_t index,
                          VkQueue* queue) {
  const Device& device = device_of(handle);
  const auto found = device.queues.find({family, index});
  if (found == device.queues.end()) {
    violate("vkGetDeviceQueue: the device was made without queue " + std::to_string(index) +
            " of family " + std::to_string(family));
    *queue = VK_NULL_HANDLE;
    return;
  }
  *queue = reinterpret_cast<VkQueue>(found->second.get());
}

void layer_GetDeviceQueue2(VkDevice handle, const VkDeviceQueueInfo2* info, VkQueue* queue) {
  layer_GetDeviceQueue(handle, info->queueFamilyIndex, info->queueIndex, queue);
}

VkResult layer_SetDebugUtilsObjectNameEXT(VkDevice handle,
                                          const VkDebugUtilsObjectNameInfoEXT* info) {
  if (info->objectType == VK_OBJECT_TYPE_QUEUE) {
    return VK_SUCCESS;  // The driver does not know it.
  }
  return device_of(handle).next.SetDebugUtilsObjectNameEXT(handle, info);
}

}  // namespace headrace::vulkan_layer
