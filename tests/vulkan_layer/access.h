// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"

#include <cstdint>
#include <map>

namespace headrace::vulkan_layer {

/// What a command does with bytes of a buffer, from `begin` to before `end`.
struct Access {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceSize begin = 0;
  VkDeviceSize end = 0;
  bool is_write = false;
};

/// An access to `size` bytes, or to all that there are for VK_WHOLE_SIZE.
inline Access access_to(VkBuffer buffer, VkDeviceSize begin, VkDeviceSize size, bool is_write) {
  return {buffer, begin, size == VK_WHOLE_SIZE ? VK_WHOLE_SIZE : begin + size, is_write};
}

/// Whether the order of two matters.
inline bool conflict(const Access& one, const Access& other) {
  return one.buffer == other.buffer && one.begin < other.end && other.begin < one.end &&
         (one.is_write || other.is_write);
}

/// By queue, the number of the last submission to it that is done before something.
using QueueClock = std::map<const void*, std::uint64_t>;

}  // namespace headrace::vulkan_layer
