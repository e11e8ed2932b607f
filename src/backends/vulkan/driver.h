// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/error.h"

#include "backends/vulkan/calls.h"

#include <memory>
#include <string_view>

namespace headrace::vulkan {

/// Vulkan's loader, found at run time, and an instance of ours. The calls keep their own names.
///
/// Not volk: before VOLK_NAMESPACE, which Debian 12's lacks, that defines every call of Vulkan as a
/// global variable of the call's own name. A program that is linked to this library and calls
/// Vulkan itself would get those in place of its own.
struct Driver {
#define HEADRACE_VULKAN_MEMBER(name) PFN_##name name = nullptr;
  HEADRACE_VULKAN_LOADER_CALLS(HEADRACE_VULKAN_MEMBER)
  HEADRACE_VULKAN_INSTANCE_CALLS(HEADRACE_VULKAN_MEMBER)
#undef HEADRACE_VULKAN_MEMBER
  VkInstance instance = VK_NULL_HANDLE;

  /// Opens the loader and makes an instance, for the life of the process; null where there is no
  /// loader, it is older than Vulkan 1.2, or it has no driver that starts.
  static std::unique_ptr<const Driver> open();
};

/// The calls of one device.
struct DeviceCalls {
#define HEADRACE_VULKAN_MEMBER(name) PFN_##name name = nullptr;
  HEADRACE_VULKAN_DEVICE_CALLS(HEADRACE_VULKAN_MEMBER)
  HEADRACE_VULKAN_OPTIONAL_CALLS(HEADRACE_VULKAN_MEMBER)
#undef HEADRACE_VULKAN_MEMBER

  /// Finds them. \returns False when one is missing that every device has.
  bool load(const Driver& driver, VkDevice device);
};

/// "VK_ERROR_DEVICE_LOST".
std::string_view name_of(VkResult result) noexcept;

/// The code that an error of Vulkan's is reported under.
ErrorCode code_of(VkResult result) noexcept;

}  // namespace headrace::vulkan
