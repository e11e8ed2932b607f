// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"
#include "vulkan_layer/settings.h"

#include <array>
#include <cstddef>

// The memory that the device seems to have: types 0 and 1 the device's own, which the host cannot
// touch, and of which the first is not for buffers; type 2 the host's, type 3 the host's and
// cached.

namespace headrace::vulkan_layer {

constexpr std::uint32_t kMemoryTypes = 4;
constexpr std::uint32_t kImageType = 0;
constexpr std::uint32_t kDeviceType = 1;
/// Those that buffers can have, a bit each.
constexpr std::uint32_t kBufferTypes = ((1U << kMemoryTypes) - 1) & ~(1U << kImageType);
/// The one that the program's own memory is of, where it is imported.
constexpr std::uint32_t kImportType = 3;

constexpr std::uint32_t heap_of_type(std::uint32_t type) {
  return type <= kDeviceType ? 0 : 1;
}

VkPhysicalDeviceMemoryProperties memory_properties(const Settings& settings);

/// What is used of each heap and what may be.
void tell_budget(VkPhysicalDevice device,
                 const Settings& settings,
                 VkPhysicalDeviceMemoryBudgetPropertiesEXT& budget);

/// Takes bytes from a heap. \returns Whether there were as many left.
bool take_from_heap(VkPhysicalDevice device,
                    const Settings& settings,
                    std::uint32_t heap,
                    VkDeviceSize size);
void give_to_heap(VkPhysicalDevice device, std::uint32_t heap, VkDeviceSize size);

/// Lets a heap of every device give out `bytes` at the most from now on, as where other programs
/// have the rest.
void limit_heap(int heap, std::size_t bytes);

}  // namespace headrace::vulkan_layer
