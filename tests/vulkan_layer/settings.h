// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace headrace::vulkan_layer {

/// What the device is to look like: the environment's word, read when an instance is made.
/// The defaults are a small discrete device with what Apple's drivers do not have left out, and
/// with the lowest limits that Vulkan allows.
struct Settings {
  /// HEADRACE_VULKAN_LAYER_HIDE: names of `kHideable`, split by commas; "all"; "none".
  std::set<std::string, std::less<>> hidden;
  /// HEADRACE_VULKAN_LAYER_PORTABILITY: 0 for a device that is no portability subset.
  bool is_portability_subset = true;
  /// HEADRACE_VULKAN_LAYER_QUEUES: 0 for the driver's queues, without a family for transfers.
  bool has_more_queues = true;
  /// HEADRACE_VULKAN_LAYER_DEVICE_HEAP, HEADRACE_VULKAN_LAYER_HOST_HEAP: bytes.
  std::uint64_t device_heap = std::uint64_t{256} << 20;
  std::uint64_t host_heap = std::uint64_t{512} << 20;
  /// HEADRACE_VULKAN_LAYER_MAX_STORAGE_BUFFER_RANGE: bytes.
  std::uint64_t max_storage_buffer_range = std::uint64_t{128} << 20;
  /// HEADRACE_VULKAN_LAYER_MAX_ALLOCATION_SIZE: bytes.
  std::uint64_t max_allocation_size = std::uint64_t{1} << 30;
  /// HEADRACE_VULKAN_LAYER_MAX_ALLOCATIONS.
  std::uint64_t max_allocations = 4096;
  /// HEADRACE_VULKAN_LAYER_MAX_GROUPS: work groups of a dispatch in x.
  std::uint64_t max_groups = 65535;

  [[nodiscard]] bool hides(std::string_view name) const { return hidden.contains(name); }
};

/// The environment's settings; nothing, and one line on standard error, where one makes no sense.
std::optional<Settings> read_settings();

}  // namespace headrace::vulkan_layer
