// SPDX-License-Identifier: Apache-2.0
#include "headrace/buffer.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/memory_pool.h"

#include <string>
#include <utility>

namespace headrace {

Buffer::Buffer(Buffer&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    reset();
    block_ = std::exchange(other.block_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

std::size_t Buffer::capacity() const noexcept {
  return block_ == nullptr ? 0 : block_->capacity();
}

DeviceType Buffer::device_type() const noexcept {
  return block_ == nullptr ? DeviceType::gpu : block_->device_type();
}

NativeHandle Buffer::native_handle() const noexcept {
  if (size_ == 0) {
    return {};
  }
  return block_->native_handle();
}

void* Buffer::data() const {
  if (size_ == 0) {
    return nullptr;
  }
  block_->owner().process().require_current("The buffer");
  if (block_->memory().host == nullptr) {
    throw Error(ErrorCode::unsupported,
                "The host cannot see " + std::string(to_string(block_->device_type())) +
                    " memory of " + block_->owner().device().info().spec + ".");
  }
  return block_->memory().host;
}

void Buffer::record_use(const Stream& stream) const {
  if (block_ == nullptr) {
    throw Error(ErrorCode::invalid_argument, "Buffer::record_use was called on an empty buffer.");
  }
  block_->record_use(*block_->owner().device_state().resolve_user(stream));
}

}  // namespace headrace
