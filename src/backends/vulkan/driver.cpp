// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/driver.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <dlfcn.h>
#include <type_traits>
#include <vector>

namespace headrace::vulkan {

namespace {

#if defined(__APPLE__)
constexpr std::array kLibraries{"libvulkan.1.dylib", "libMoltenVK.dylib"};
#else
constexpr std::array kLibraries{"libvulkan.so.1"};
#endif

template <class Call>
bool load_one(PFN_vkGetInstanceProcAddr find, VkInstance instance, const char* name, Call& call) {
  call = reinterpret_cast<Call>(find(instance, name));
  return call != nullptr;
}

PFN_vkGetInstanceProcAddr open_library() {
  for (const char* name : kLibraries) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
      const auto find =
          reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
      if (find != nullptr) {
        return find;
      }
      dlclose(library);
    }
  }
  return nullptr;
}

bool load_loader(PFN_vkGetInstanceProcAddr find, Driver& driver) {
  bool has_all = true;
#define HEADRACE_VULKAN_LOAD(name) \
  has_all = has_all && load_one(find, VK_NULL_HANDLE, #name, driver.name);
  HEADRACE_VULKAN_LOADER_CALLS(HEADRACE_VULKAN_LOAD)
#undef HEADRACE_VULKAN_LOAD
  std::uint32_t version = 0;
  return has_all && driver.vkEnumerateInstanceVersion(&version) == VK_SUCCESS &&
         version >= VK_API_VERSION_1_2;
}

bool load_instance(PFN_vkGetInstanceProcAddr find, Driver& driver) {
  bool has_all = true;
#define HEADRACE_VULKAN_LOAD(name) \
  has_all = has_all && load_one(find, driver.instance, #name, driver.name);
  HEADRACE_VULKAN_INSTANCE_CALLS(HEADRACE_VULKAN_LOAD)
#undef HEADRACE_VULKAN_LOAD
  return has_all;
}

/// Whether the loader lists devices of the portability subset only to those who ask for them.
bool hides_portable_devices(const Driver& driver) {
  std::uint32_t count = 0;
  driver.vkEnumerateInstanceExtensionProperties(nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> all(count);
  driver.vkEnumerateInstanceExtensionProperties(nullptr, &count, all.data());
  return std::ranges::any_of(all, [](const VkExtensionProperties& one) {
    return std::strcmp(one.extensionName, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME) == 0;
  });
}

bool make_instance(Driver& driver) {
  const VkApplicationInfo application{.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                      .pEngineName = "headrace",
                                      .apiVersion = VK_API_VERSION_1_2};
  const char* portability = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
  VkInstanceCreateInfo info{.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                            .pApplicationInfo = &application};
  if (hides_portable_devices(driver)) {
    info.flags = VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &portability;
  }
  return driver.vkCreateInstance(&info, nullptr, &driver.instance) == VK_SUCCESS;
}

}  // namespace

std::unique_ptr<const Driver> Driver::open() {
  const PFN_vkGetInstanceProcAddr find = open_library();
  auto driver = std::make_unique<Driver>();
  if (find == nullptr || !load_loader(find, *driver) || !make_instance(*driver) ||
      !load_instance(find, *driver)) {
    return nullptr;  // The library stays: drivers do not like to be unloaded.
  }
  return driver;
}

bool DeviceCalls::load(const Driver& driver, VkDevice device) {
  const auto load_one = [&](const char* name, auto& call) {
    call = reinterpret_cast<std::decay_t<decltype(call)>>(driver.vkGetDeviceProcAddr(device, name));
    return call != nullptr;
  };
  bool has_all = true;
#define HEADRACE_VULKAN_LOAD(name) has_all = load_one(#name, this->name) && has_all;
  HEADRACE_VULKAN_DEVICE_CALLS(HEADRACE_VULKAN_LOAD)
#undef HEADRACE_VULKAN_LOAD
#define HEADRACE_VULKAN_LOAD(name) load_one(#name, this->name);
  HEADRACE_VULKAN_OPTIONAL_CALLS(HEADRACE_VULKAN_LOAD)
#undef HEADRACE_VULKAN_LOAD
  return has_all;
}

std::string_view name_of(VkResult result) noexcept {
  switch (result) {
#define HEADRACE_VULKAN_NAME(name) \
  case name:                       \
    return #name;
    HEADRACE_VULKAN_NAME(VK_NOT_READY)
    HEADRACE_VULKAN_NAME(VK_TIMEOUT)
    HEADRACE_VULKAN_NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
    HEADRACE_VULKAN_NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
    HEADRACE_VULKAN_NAME(VK_ERROR_INITIALIZATION_FAILED)
    HEADRACE_VULKAN_NAME(VK_ERROR_DEVICE_LOST)
    HEADRACE_VULKAN_NAME(VK_ERROR_MEMORY_MAP_FAILED)
    HEADRACE_VULKAN_NAME(VK_ERROR_LAYER_NOT_PRESENT)
    HEADRACE_VULKAN_NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
    HEADRACE_VULKAN_NAME(VK_ERROR_FEATURE_NOT_PRESENT)
    HEADRACE_VULKAN_NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
    HEADRACE_VULKAN_NAME(VK_ERROR_TOO_MANY_OBJECTS)
    HEADRACE_VULKAN_NAME(VK_ERROR_FRAGMENTED_POOL)
    HEADRACE_VULKAN_NAME(VK_ERROR_OUT_OF_POOL_MEMORY)
    HEADRACE_VULKAN_NAME(VK_ERROR_INVALID_EXTERNAL_HANDLE)
    HEADRACE_VULKAN_NAME(VK_ERROR_FRAGMENTATION)
#undef HEADRACE_VULKAN_NAME
    default:
      return "an unknown error";
  }
}

ErrorCode code_of(VkResult result) noexcept {
  switch (result) {
    case VK_ERROR_DEVICE_LOST:
      return ErrorCode::device_lost;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
      return ErrorCode::out_of_memory;
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return ErrorCode::unsupported;
    default:
      return ErrorCode::internal;
  }
}

}  // namespace headrace::vulkan
