// SPDX-License-Identifier: Apache-2.0
/// \file
/// The one door from the public handles to what they stand for, so that the handles need name no
/// other friend.
#pragma once

#include "headrace/buffer.h"
#include "headrace/completion.h"
#include "headrace/device.h"
#include "headrace/host_registration.h"
#include "headrace/memory_manager.h"
#include "headrace/stream.h"
#include "headrace/tensor.h"

#include "core/completion_state.h"
#include "core/device_state.h"

#include <cstdint>
#include <memory>
#include <utility>

namespace headrace::core {

struct StreamAccess {
  static Stream make(std::shared_ptr<StreamLease> lease, NativeHandle recording = {}) {
    Stream stream;
    stream.lease_ = std::move(lease);
    stream.recording_ = recording;
    return stream;
  }
  static const std::shared_ptr<StreamLease>& lease(const Stream& stream) { return stream.lease_; }
  static const std::shared_ptr<StreamState>& state(const Stream& stream) {
    return stream.lease_->stream();
  }
  static std::uint64_t id(const Stream& stream) noexcept {
    return stream.lease_ ? stream.lease_->stream()->id() : 0;
  }
  static std::uint32_t short_id(const Stream& stream) noexcept {
    return stream.lease_ ? stream.lease_->stream()->short_id() : 0;
  }
};

struct CompletionAccess {
  static Completion make(std::shared_ptr<CompletionState> state) {
    Completion completion;
    completion.state_ = std::move(state);
    return completion;
  }
  static const std::shared_ptr<CompletionState>& state(const Completion& completion) {
    return completion.state_;
  }
};

struct DeviceAccess {
  static Device make(std::shared_ptr<DeviceState> state) {
    Device device;
    device.state_ = std::move(state);
    return device;
  }
  static const std::shared_ptr<DeviceState>& state(const Device& device) { return device.state_; }
};

struct RegistrationAccess {
  static HostRegistration make(std::shared_ptr<HostRange> range) {
    HostRegistration registration;
    registration.range_ = std::move(range);
    return registration;
  }
  static const std::shared_ptr<HostRange>& range(const HostRegistration& registration) {
    return registration.range_;
  }
};

struct BufferAccess {
  static Buffer make(Block* block, std::size_t size) {
    Buffer buffer;
    buffer.block_ = block;
    buffer.size_ = size;
    return buffer;
  }
  static Block* block(const Buffer& buffer) { return buffer.block_; }
};

struct ManagerAccess {
  static const std::shared_ptr<MemoryPool>& pool(const MemoryManager& manager) {
    return manager.pool_;
  }
};

struct TensorAccess {
  static Tensor make(std::shared_ptr<Storage> storage,
                     std::size_t offset_bytes,
                     const Shape& shape,
                     DataType dtype,
                     std::size_t size_bytes) {
    Tensor tensor;
    tensor.storage_ = std::move(storage);
    tensor.offset_bytes_ = offset_bytes;
    tensor.size_bytes_ = size_bytes;
    tensor.shape_ = shape;
    tensor.dtype_ = dtype;
    return tensor;
  }
  static const std::shared_ptr<Storage>& storage(const Tensor& tensor) { return tensor.storage_; }
  static std::size_t offset_bytes(const Tensor& tensor) { return tensor.offset_bytes_; }
};

}  // namespace headrace::core
