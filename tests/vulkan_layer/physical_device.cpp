// SPDX-License-Identifier: Apache-2.0
// What the device says of itself.
#include "vulkan_layer/features.h"
#include "vulkan_layer/heaps.h"
#include "vulkan_layer/instance.h"
#include "vulkan_layer/queue_families.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

namespace headrace::vulkan_layer {

namespace {

constexpr std::string_view kLayer = "VK_LAYER_HEADRACE_test";

void change(const Settings& settings, VkPhysicalDeviceProperties& properties) {
  properties.apiVersion = VK_MAKE_API_VERSION(0, 1, 2, VK_API_VERSION_PATCH(properties.apiVersion));
  properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
  constexpr std::string_view kSuffix = " (Headrace test layer)";
  const std::size_t length = std::min(std::strlen(properties.deviceName),
                                      sizeof(properties.deviceName) - kSuffix.size() - 1);
  std::snprintf(properties.deviceName + length, kSuffix.size() + 1, "%s", kSuffix.data());
  VkPhysicalDeviceLimits& limits = properties.limits;
  limits.maxStorageBufferRange = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(limits.maxStorageBufferRange, settings.max_storage_buffer_range));
  limits.maxMemoryAllocationCount = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(limits.maxMemoryAllocationCount, settings.max_allocations));
  limits.maxComputeWorkGroupCount[0] = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(limits.maxComputeWorkGroupCount[0], settings.max_groups));
  if (settings.hides("timestamps")) {
    limits.timestampComputeAndGraphics = VK_FALSE;
  }
}

void change_chain(const Settings& settings, void* chain) {
  hide_float_controls(settings, chain);
  auto* of_1_1 = find_in_chain<VkPhysicalDeviceVulkan11Properties>(
      chain, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES);
  if (of_1_1 != nullptr) {
    of_1_1->maxMemoryAllocationSize = settings.max_allocation_size;
  }
  auto* maintenance = find_in_chain<VkPhysicalDeviceMaintenance3Properties>(
      chain, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
  if (maintenance != nullptr) {
    maintenance->maxMemoryAllocationSize = settings.max_allocation_size;
  }
  auto* portability = find_in_chain<VkPhysicalDevicePortabilitySubsetPropertiesKHR>(
      chain,
      static_cast<VkStructureType>(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PORTABILITY_SUBSET_PROPERTIES_KHR));
  if (portability != nullptr) {
    portability->minVertexInputBindingStrideAlignment = 4;
  }
}

VkExtensionProperties extension(std::string_view name) {
  VkExtensionProperties properties{};
  std::memcpy(properties.extensionName, name.data(), name.size());
  properties.specVersion = 1;
  return properties;
}

std::vector<VkExtensionProperties> own_extensions(const Settings& settings) {
  std::vector<VkExtensionProperties> own{extension(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)};
  if (settings.is_portability_subset) {
    own.push_back(extension(VK_KHR_PORTABILITY_SUBSET_EXTENSION_NAME));
  }
  return own;
}

/// Answers as calls that list things do: with how many there are, or with as many as there is room.
template <class Item>
VkResult list(const std::vector<Item>& all, std::uint32_t* count, Item* items) {
  if (items == nullptr) {
    *count = static_cast<std::uint32_t>(all.size());
    return VK_SUCCESS;
  }
  *count = std::min(*count, static_cast<std::uint32_t>(all.size()));
  std::copy_n(all.begin(), *count, items);
  return *count < all.size() ? VK_INCOMPLETE : VK_SUCCESS;
}

}  // namespace

std::vector<VkQueueFamilyProperties> queue_families(VkPhysicalDevice device) {
  const Instance& instance = instance_of(device);
  std::uint32_t count = 0;
  instance.next.GetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  instance.next.GetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  families.resize(1);
  VkQueueFamilyProperties& main = families.front();
  main.queueFlags &= VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT;
  main.queueCount = 1;
  if (instance.settings.hides("timestamps")) {
    main.timestampValidBits = 0;
  }
  if (instance.settings.has_more_queues) {
    main.queueCount = 2;
    VkQueueFamilyProperties transfer = main;
    transfer.queueFlags = VK_QUEUE_TRANSFER_BIT;
    transfer.queueCount = 1;
    families.push_back(transfer);
  }
  return families;
}

void layer_GetPhysicalDeviceProperties(VkPhysicalDevice device,
                                       VkPhysicalDeviceProperties* properties) {
  const Instance& instance = instance_of(device);
  instance.next.GetPhysicalDeviceProperties(device, properties);
  change(instance.settings, *properties);
}

void layer_GetPhysicalDeviceProperties2(VkPhysicalDevice device,
                                        VkPhysicalDeviceProperties2* properties) {
  const Instance& instance = instance_of(device);
  instance.next.GetPhysicalDeviceProperties2(device, properties);
  change(instance.settings, properties->properties);
  change_chain(instance.settings, properties->pNext);
}

void layer_GetPhysicalDeviceFeatures(VkPhysicalDevice device, VkPhysicalDeviceFeatures* features) {
  const Instance& instance = instance_of(device);
  instance.next.GetPhysicalDeviceFeatures(device, features);
  hide_features(instance.settings, *features);
}

void layer_GetPhysicalDeviceFeatures2(VkPhysicalDevice device,
                                      VkPhysicalDeviceFeatures2* features) {
  const Instance& instance = instance_of(device);
  instance.next.GetPhysicalDeviceFeatures2(device, features);
  hide_features_in_chain(instance.settings, features);
}

void layer_GetPhysicalDeviceMemoryProperties(VkPhysicalDevice device,
                                             VkPhysicalDeviceMemoryProperties* properties) {
  *properties = memory_properties(instance_of(device).settings);
}

void layer_GetPhysicalDeviceMemoryProperties2(VkPhysicalDevice device,
                                              VkPhysicalDeviceMemoryProperties2* properties) {
  properties->memoryProperties = memory_properties(instance_of(device).settings);
  auto* budget = find_in_chain<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
      properties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
  if (budget != nullptr) {
    tell_budget(device, instance_of(device).settings, *budget);
  }
}

void layer_GetPhysicalDeviceQueueFamilyProperties(VkPhysicalDevice device,
                                                  std::uint32_t* count,
                                                  VkQueueFamilyProperties* properties) {
  list(queue_families(device), count, properties);
}

void layer_GetPhysicalDeviceQueueFamilyProperties2(VkPhysicalDevice device,
                                                   std::uint32_t* count,
                                                   VkQueueFamilyProperties2* properties) {
  const std::vector<VkQueueFamilyProperties> families = queue_families(device);
  if (properties == nullptr) {
    *count = static_cast<std::uint32_t>(families.size());
    return;
  }
  *count = std::min(*count, static_cast<std::uint32_t>(families.size()));
  for (std::uint32_t index = 0; index < *count; ++index) {
    properties[index].queueFamilyProperties = families[index];
  }
}

VkResult layer_EnumerateDeviceExtensionProperties(VkPhysicalDevice device,
                                                  const char* layer,
                                                  std::uint32_t* count,
                                                  VkExtensionProperties* properties) {
  const Instance& instance = instance_of(device);
  if (layer != nullptr && layer == kLayer) {
    return list(own_extensions(instance.settings), count, properties);
  }
  if (layer != nullptr) {
    return instance.next.EnumerateDeviceExtensionProperties(device, layer, count, properties);
  }
  std::uint32_t driver_count = 0;
  instance.next.EnumerateDeviceExtensionProperties(device, nullptr, &driver_count, nullptr);
  std::vector<VkExtensionProperties> all(driver_count);
  instance.next.EnumerateDeviceExtensionProperties(device, nullptr, &driver_count, all.data());
  std::erase_if(all, [&](const VkExtensionProperties& each) {
    return is_hidden_extension(instance.settings, each.extensionName);
  });
  const auto own = own_extensions(instance.settings);
  all.insert(all.end(), own.begin(), own.end());
  return list(all, count, properties);
}

}  // namespace headrace::vulkan_layer
