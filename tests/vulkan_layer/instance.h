// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"
#include "vulkan_layer/calls.h"
#include "vulkan_layer/settings.h"

namespace headrace::vulkan_layer {

struct Instance {
  VkInstance handle = VK_NULL_HANDLE;
  Settings settings;
  InstanceCalls next;
};

/// The instance that a handle belongs to, which is its own or that of a physical device. Takes the
/// lock.
Instance& instance_of(VkInstance handle);
Instance& instance_of(VkPhysicalDevice handle);

}  // namespace headrace::vulkan_layer
