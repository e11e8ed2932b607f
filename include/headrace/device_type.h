// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace headrace {

/// Kind of memory.
enum class DeviceType : std::uint8_t {
  cpu,             ///< Host-visible, pinned where the backend can.
  gpu,             ///< Device-local, for transient data.
  persistent_gpu,  ///< Device-local, for what lives long (weights); has pools of its own.
};

/// Name as in the enumeration.
HEADRACE_EXPORT std::string_view to_string(DeviceType device_type) noexcept;

/// Names one pool of a MemoryManager: the capacity of its buffers, in bytes, and their kind.
struct PoolKey {
  std::size_t size = 0;
  DeviceType device = DeviceType::gpu;
  friend auto operator<=>(const PoolKey&, const PoolKey&) = default;
};

}  // namespace headrace

template <>
struct std::hash<headrace::PoolKey> {
  std::size_t operator()(const headrace::PoolKey& key) const noexcept {
    return std::hash<std::size_t>{}(key.size) * 31 + static_cast<std::size_t>(key.device);
  }
};
