// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the layer knows of Vulkan: its types, no call by name.

#define VK_ENABLE_BETA_EXTENSIONS  // NOLINT(readability-identifier-naming)
#define VK_NO_PROTOTYPES           // NOLINT(readability-identifier-naming)

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <cstdint>

namespace headrace::vulkan_layer {

/// A handle of any kind as a number. The driver's handles are addresses, so that two that live at
/// the same time differ, whatever they are of.
template <class Handle>
std::uint64_t number_of(Handle handle) {
  return reinterpret_cast<std::uint64_t>(handle);
}

/// What the loader puts first in whatever it dispatches by: one for all that belong to an instance,
/// one for all that belong to a device.
template <class Handle>
void* dispatch_key(Handle handle) {
  return *reinterpret_cast<void**>(handle);
}

/// The structure of a type in a chain, or null.
template <class Structure>
Structure* find_in_chain(const void* chain, VkStructureType type) {
  auto* next = static_cast<VkBaseOutStructure*>(const_cast<void*>(chain));
  while (next != nullptr && next->sType != type) {
    next = next->pNext;
  }
  return reinterpret_cast<Structure*>(next);
}

}  // namespace headrace::vulkan_layer
