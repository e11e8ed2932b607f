// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"
#include "vulkan_layer/settings.h"

#include <string_view>

namespace headrace::vulkan_layer {

/// Says false for each feature that the settings hide, in the structure and in a chain.
void hide_features(const Settings& settings, VkPhysicalDeviceFeatures& features);
void hide_features_in_chain(const Settings& settings, void* chain);

/// Whether a program that makes a device asks for a feature that is hidden.
bool asks_for_hidden(const Settings& settings, const VkDeviceCreateInfo& info);

/// Whether the device does not have an extension that the driver has.
bool is_hidden_extension(const Settings& settings, std::string_view name);

/// Says false for what the settings hide of the float controls, in a chain of properties.
void hide_float_controls(const Settings& settings, void* chain);

}  // namespace headrace::vulkan_layer
