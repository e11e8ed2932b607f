// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"

#include <string_view>

namespace headrace::vulkan_layer {

/// What the loader and other layers ask for calls. Null for a call that is to stay unknown.
PFN_vkVoidFunction find_instance_call(VkInstance instance, const char* name);
PFN_vkVoidFunction find_device_call(VkDevice device, const char* name);

}  // namespace headrace::vulkan_layer
