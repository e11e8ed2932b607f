// SPDX-License-Identifier: Apache-2.0
#include "headrace/staging.h"

#include "headrace/error.h"

#include "core/host_range.h"
#include "core/process.h"
#include "core/staging_pool.h"

#include <fmt/format.h>

#include <utility>

namespace headrace {

using core::StagingPoolState;

namespace {

StagingPoolState& made(const std::shared_ptr<StagingPoolState>& pool) {
  if (!pool) {
    throw Error(ErrorCode::invalid_argument, "This StagingBufferPool was moved from.");
  }
  pool->process().require_current("The StagingBufferPool");
  return *pool;
}

}  // namespace

StagingBuffer& StagingBuffer::operator=(StagingBuffer&& other) noexcept {
  StagingBuffer old;
  old.slot_ = std::exchange(slot_, std::move(other.slot_));
  return *this;
}

StagingBuffer::~StagingBuffer() {
  if (slot_) {
    if (const std::shared_ptr<StagingPoolState> pool = slot_->pool.lock()) {
      pool->put_back(std::move(slot_));
    }
  }
}

void* StagingBuffer::data() const noexcept {
  return bytes().data();
}

std::size_t StagingBuffer::size() const noexcept {
  return slot_ ? slot_->buffer.size() : 0;
}

std::span<std::byte> StagingBuffer::bytes() const noexcept {
  return slot_ ? std::span(static_cast<std::byte*>(slot_->buffer.data()), slot_->buffer.size())
               : std::span<std::byte>();
}

StagingBufferPool::StagingBufferPool(MemoryManager manager,
                                     std::size_t max_buffers,
                                     std::size_t buffer_size) {
  if (max_buffers == 0 || buffer_size == 0) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("A StagingBufferPool needs at least 1 buffer of at least 1 byte; got {} "
                    "buffers of {} bytes.",
                    max_buffers,
                    buffer_size));
  }
  state_ = core::make_shared_here<StagingPoolState>(std::move(manager), max_buffers, buffer_size);
}

StagingBufferPool& StagingBufferPool::operator=(StagingBufferPool&& other) noexcept {
  const StagingBufferPool old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

StagingBufferPool::~StagingBufferPool() {
  if (state_) {
    state_->cleanup();
  }
}

StagingBuffer StagingBufferPool::get_buffer() {
  return made(state_).get();
}

std::optional<StagingBuffer> StagingBufferPool::try_get_buffer() {
  return made(state_).try_get();
}

void StagingBufferPool::return_buffer(StagingBuffer&& buffer) noexcept {
  const StagingBuffer returned(std::move(buffer));
}

Completion StagingBufferPool::transfer(std::span<const std::byte> bytes,
                                       DataType dtype,
                                       const Tensor& target) {
  if (!target || dtype != target.dtype() || bytes.size() != target.size_bytes()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("transfer_to_gpu was given {} {} elements for {}.",
                            bytes.size() / size_of(dtype),
                            to_string(dtype),
                            target.to_string()));
  }
  return made(state_).transfer(bytes, target);
}

Completion StagingBufferPool::transfer_to_gpu(StagingBuffer&& filled, const Tensor& target) {
  return made(state_).transfer(std::move(filled), target);
}

Completion StagingBufferPool::transfer_to_gpu(const HostRegistration& source,
                                              std::size_t offset,
                                              const Tensor& target) {
  StagingPoolState& pool = made(state_);
  return pool.transfer(core::range_of(source, "transfer_to_gpu"), offset, target);
}

void StagingBufferPool::wait_for_transfer_completion() {
  made(state_).wait_for_all();
}

StagingPoolStats StagingBufferPool::stats() const {
  return made(state_).stats();
}

void StagingBufferPool::cleanup() noexcept {
  if (state_) {
    state_->cleanup();
  }
}

}  // namespace headrace
