// SPDX-License-Identifier: Apache-2.0
#include "support/vulkan_device.h"

#if __has_include(<vulkan/vulkan.h>)
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <vector>

namespace headrace::test {

namespace {

template <class Call>
Call find(const char* name) {
  static void* const kLoader = dlopen("libvulkan.so.1", RTLD_NOW);  // It stays.
  return kLoader == nullptr ? nullptr : reinterpret_cast<Call>(dlsym(kLoader, name));
}

VkInstance make_instance() {
  const auto create = find<PFN_vkCreateInstance>("vkCreateInstance");
  if (create == nullptr) {
    return VK_NULL_HANDLE;
  }
  const char* portability = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
  const VkApplicationInfo application{.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                      .apiVersion = VK_API_VERSION_1_2};
  VkInstanceCreateInfo info{.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                            .flags = VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR,
                            .pApplicationInfo = &application,
                            .enabledExtensionCount = 1,
                            .ppEnabledExtensionNames = &portability};
  VkInstance instance = VK_NULL_HANDLE;
  if (create(&info, nullptr, &instance) == VK_ERROR_EXTENSION_NOT_PRESENT) {
    info.flags = 0;
    info.enabledExtensionCount = 0;
    create(&info, nullptr, &instance);
  }
  return instance;
}

/// Calls `call`, which lists things, for all of them.
template <class Item, class Call, class... Arguments>
std::vector<Item> list(Call call, Arguments... arguments) {
  std::uint32_t count = 0;
  call(arguments..., &count, nullptr);
  std::vector<Item> all(count);
  call(arguments..., &count, all.data());
  return all;
}

VulkanDevice ask(VkPhysicalDevice device) {
  const auto families =
      list<VkQueueFamilyProperties>(find<PFN_vkGetPhysicalDeviceQueueFamilyProperties>(
                                        "vkGetPhysicalDeviceQueueFamilyProperties"),
                                    device);
  const auto extensions = list<VkExtensionProperties>(
      find<PFN_vkEnumerateDeviceExtensionProperties>("vkEnumerateDeviceExtensionProperties"),
      device,
      static_cast<const char*>(nullptr));
  return {
      .imports_host_memory = std::ranges::any_of(
          extensions,
          [](const VkExtensionProperties& one) {
            return std::strcmp(one.extensionName, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME) == 0;
          }),
      .has_timestamps = std::ranges::any_of(families, [](const VkQueueFamilyProperties& family) {
        return (family.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0 && family.timestampValidBits != 0;
      })};
}

}  // namespace

VulkanDevice first_vulkan_device() {
  VkInstance instance = make_instance();
  if (instance == VK_NULL_HANDLE) {
    return {};
  }
  const auto devices = list<VkPhysicalDevice>(
      find<PFN_vkEnumeratePhysicalDevices>("vkEnumeratePhysicalDevices"), instance);
  // The backend lists none that is older.
  const auto first = std::ranges::find_if(devices, [](VkPhysicalDevice device) {
    VkPhysicalDeviceProperties properties{};
    find<PFN_vkGetPhysicalDeviceProperties>("vkGetPhysicalDeviceProperties")(device, &properties);
    return properties.apiVersion >= VK_API_VERSION_1_2;
  });
  const VulkanDevice answer = first == devices.end() ? VulkanDevice{} : ask(*first);
  find<PFN_vkDestroyInstance>("vkDestroyInstance")(instance, nullptr);
  return answer;
}

}  // namespace headrace::test

#else

namespace headrace::test {

VulkanDevice first_vulkan_device() {
  return {};
}

}  // namespace headrace::test

#endif
