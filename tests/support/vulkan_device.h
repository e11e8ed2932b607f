// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headrace::test {

/// What a Vulkan device says of itself that not every one has.
struct VulkanDevice {
  bool imports_host_memory = false;
  bool has_timestamps = false;  ///< On the queues that compute.
};

/// The device vulkan:0, asked past the backend, so that a test is left out only for what the device
/// really lacks. Nothing of all that when there is no device.
VulkanDevice first_vulkan_device();

}  // namespace headrace::test
