// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/vulkan/driver.h"
#include "backends/vulkan/shader.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace headrace::vulkan {

/// What every buffer object is for.
inline constexpr VkBufferUsageFlags kBufferUsage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                                   VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                                   VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;

/// Queues of one kind: a family of the device's, and how many of its queues are used.
struct QueueFamily {
  std::uint32_t index = 0;
  std::uint32_t queues = 1;
  std::uint32_t timestamp_bits = 0;  ///< 0: it cannot tell the time.
};

/// What Vulkan says of a device that this backend can use.
struct Facts {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  DeviceInfo info = {};
  QueueFamily compute = {};
  std::optional<QueueFamily> transfer = {};  ///< Which copies while the others compute.
  VkPhysicalDeviceMemoryProperties memory = {};
  bool shares_memory = false;            ///< With the host: an integrated GPU, or a processor.
  std::uint32_t device_memory_type = 0;  ///< For `gpu` and `persistent_gpu`.
  std::uint32_t host_memory_type = 0;    ///< For `cpu`.
  VkDeviceSize most_bytes = 0;           ///< Of one allocation.
  std::uint32_t most_allocations = 0;    ///< Alive at a time.
  VkDeviceSize most_bytes_bound = 0;     ///< Of what a shader reads or writes.
  std::uint32_t most_groups = 0;         ///< Of one dispatch.
  float nanoseconds_a_tick = 1;          ///< Of timestamps.
  VkDeviceSize import_alignment = 0;     ///< Of host memory that commands may use; 0: of none.
  bool imports_are_dedicated = false;    ///< Each is of one buffer object, which it names.
  bool has_memory_budget = false;
  bool is_portability_subset = false;
  FloatControls float_controls = FloatControls::none;

  /// Chooses among the types of memory of which `allowed` has a bit. On devices that share the
  /// host's memory, `gpu` memory is what both see; elsewhere what only the device sees, for the
  /// host reaches the rest of it over the bus. \returns Whether there are any.
  bool choose_memory_types(std::uint32_t allowed);

  [[nodiscard]] VkMemoryPropertyFlags flags_of(std::uint32_t memory_type) const {
    return memory.memoryTypes[memory_type].propertyFlags;
  }

  /// The devices that this backend can use, in the loader's order: of Vulkan 1.2 or later, with
  /// timeline semaphores and a queue that computes.
  static std::vector<Facts> all(const Driver& driver);
};

}  // namespace headrace::vulkan
