// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/buffer.h"
#include "headrace/device.h"
#include "headrace/export.h"
#include "headrace/stats.h"

#include <cstddef>
#include <memory>
#include <optional>

namespace headrace {

namespace core {
class MemoryPool;
}  // namespace core

/// Buffers of one size, of which at most a fixed number exist.
///
/// Order: buffers belong to the device's default stream. Threads: safe from any thread.
class HEADRACE_EXPORT BufferPool {
 public:
  /// \param buffer_size  Bytes of each buffer, at least 1.
  /// \param max_buffers  Most buffers that may exist at once, at least 1.
  /// \throws Error  `invalid_argument` for a zero or for no device.
  BufferPool(Device device,
             std::size_t buffer_size,
             std::size_t max_buffers,
             DeviceType device_type = DeviceType::gpu);

  /// Takes a buffer.
  ///
  /// \throws Error  `capacity` when all are taken; `out_of_memory`; `device_lost`.
  Buffer get();

  /// Takes a buffer. \returns nullopt when all are taken. \throws Error  `out_of_memory`,
  /// `device_lost`.
  std::optional<Buffer> try_get();

  /// Gives a buffer back to the pool it came from. An empty one is ignored.
  void return_buffer(Buffer&& buffer) noexcept;

  [[nodiscard]] BufferPoolStats stats() const;

 private:
  std::shared_ptr<core::MemoryPool> pool_;
  std::size_t buffer_size_;
  DeviceType device_type_;
};

}  // namespace headrace
