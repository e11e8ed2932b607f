// SPDX-License-Identifier: Apache-2.0
#include "headrace/buffer_pool.h"

#include "headrace/error.h"
#include "headrace/memory_manager.h"

#include "core/access.h"
#include "core/memory_pool.h"

#include <utility>

namespace headrace {

BufferPool::BufferPool(Device device,
                       std::size_t buffer_size,
                       std::size_t max_buffers,
                       DeviceType device_type)
    : buffer_size_(buffer_size), device_type_(device_type) {
  if (!device || buffer_size == 0 || max_buffers == 0) {
    throw Error(ErrorCode::invalid_argument,
                "A BufferPool needs a device, a buffer size and a number of buffers above 0; got " +
                    std::to_string(buffer_size) + " bytes and " + std::to_string(max_buffers) +
                    " buffers.");
  }
  MemoryManagerConfig config;
  config.name = "pool of " + std::to_string(buffer_size) + " bytes";
  config.count_limit = max_buffers;
  config.size_classes = SizeClassPolicy::exact;
  pool_ = core::MemoryPool::make(std::move(device), std::move(config), buffer_size);
}

Buffer BufferPool::get() {
  return core::BufferAccess::make(pool_->take(buffer_size_, device_type_, Stream{}), buffer_size_);
}

std::optional<Buffer> BufferPool::try_get() {
  core::Block* block = pool_->try_take(buffer_size_, device_type_, Stream{});
  if (block == nullptr) {
    return std::nullopt;
  }
  return core::BufferAccess::make(block, buffer_size_);
}

void BufferPool::return_buffer(Buffer&& buffer) noexcept {
  Buffer(std::move(buffer)).reset();
}

BufferPoolStats BufferPool::stats() const {
  return pool_->buffer_stats();
}

}  // namespace headrace
