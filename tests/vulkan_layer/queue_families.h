// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"

#include <vector>

namespace headrace::vulkan_layer {

/// The driver's one family, which every other one is made of.
constexpr std::uint32_t kRealFamily = 0;

/// The families that a device has: the driver's first, and after it, where there are to be more
/// queues, one for transfers alone.
std::vector<VkQueueFamilyProperties> queue_families(VkPhysicalDevice device);

}  // namespace headrace::vulkan_layer
