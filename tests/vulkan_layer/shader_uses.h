// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"

#include <cstdint>
#include <map>
#include <utility>

namespace headrace::vulkan_layer {

/// By set and binding of a buffer that a shader uses, whether it may write it.
using ShaderUses = std::map<std::pair<std::uint32_t, std::uint32_t>, bool>;

/// What a module uses: it writes what not every variable of that place is declared to be only read.
ShaderUses uses_of(const VkShaderModuleCreateInfo& module);

}  // namespace headrace::vulkan_layer
