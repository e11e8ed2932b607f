// SPDX-License-Identifier: Apache-2.0
#include "headrace/command_buffer.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/command_pool.h"
#include "core/process.h"
#include "core/storage.h"
#include "kernels/convert.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace headrace {

using core::CommandPoolState;
using core::CommandSlot;

namespace {

const BackendDevice& device_of(const Tensor& tensor, const char* call) {
  return core::storage_of(tensor, call).pool().device_state().backend();
}

[[noreturn]] void refuse(const Tensor& tensor, const CommandSlot& slot, const char* call) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} was given {} in a command buffer for {}.",
                          call,
                          tensor.to_string(),
                          slot.stream->stream()->device().info().spec));
}

void require_on_device(const Tensor& tensor, const CommandSlot& slot, const char* call) {
  if (&device_of(tensor, call) != &slot.stream->stream()->device()) {
    refuse(tensor, slot, call);
  }
}

/// A copy is from or to the device of the stream; the other end may be a device joined with it.
void require_copies(const Tensor& from, const Tensor& to, const CommandSlot& slot) {
  constexpr const char* kCall = "CommandBuffer::copy";
  const BackendDevice& here = slot.stream->stream()->device();
  const bool is_from_here = &device_of(from, kCall) == &here;
  const Tensor& other = is_from_here ? to : from;
  if ((!is_from_here && &device_of(to, kCall) != &here) ||
      !core::are_joined(device_of(other, kCall), here)) {
    refuse(other, slot, kCall);
  }
}

CommandPoolState& made(const std::shared_ptr<CommandPoolState>& pool) {
  if (!pool) {
    throw Error(ErrorCode::invalid_argument, "This CommandBufferPool was moved from.");
  }
  pool->process().require_current("The CommandBufferPool");
  return *pool;
}

enum class Use { reads, writes };

void note(CommandSlot& slot, const Tensor& tensor, Use use) {
  slot.accesses.push_back({core::TensorAccess::storage(tensor), use == Use::writes});
}

template <class Work>
void record(CommandSlot& slot, Work work, const char* default_label) {
  slot.commands.push_back({std::move(work), slot.label.empty() ? default_label : slot.label});
}

std::uint64_t pattern_of(double value, DataType dtype) {
  std::uint64_t pattern = 0;
  kernels::convert(reinterpret_cast<const std::byte*>(&value),
                   DataType::float64,
                   reinterpret_cast<std::byte*>(&pattern),
                   dtype,
                   1);
  return pattern;
}

}  // namespace

CommandBuffer& CommandBuffer::operator=(CommandBuffer&& other) noexcept {
  CommandBuffer old;
  old.slot_ = std::exchange(slot_, std::move(other.slot_));
  return *this;
}

CommandBuffer::~CommandBuffer() {
  if (slot_) {
    if (const std::shared_ptr<CommandPoolState> pool = slot_->pool.lock()) {
      pool->put_back(std::move(slot_));
    }
  }
}

int CommandBuffer::id() const noexcept {
  return slot_ ? slot_->id : 0;
}

bool CommandBuffer::is_in_use() const noexcept {
  return slot_ != nullptr;
}

NativeHandle CommandBuffer::native_handle() const {
  return CommandPoolState::slot_of(*this, "CommandBuffer::native_handle")
      .stream->stream()
      ->native_handle();
}

void CommandBuffer::copy(const Tensor& from, const Tensor& to) {
  CommandSlot& slot = CommandPoolState::slot_of(*this, "CommandBuffer::copy");
  core::require_same_shape(from, to, core::Types::same, "CommandBuffer::copy");
  require_copies(from, to, slot);
  if (!core::has_work(from, to, "CommandBuffer::copy")) {
    return;
  }
  note(slot, from, Use::reads);
  note(slot, to, Use::writes);
  record(slot, core::copy_of(from, to, *slot.stream->stream()), "copy");
}

void CommandBuffer::fill(const Tensor& tensor, double value) {
  CommandSlot& slot = CommandPoolState::slot_of(*this, "CommandBuffer::fill");
  require_on_device(tensor, slot, "CommandBuffer::fill");
  if (tensor.size_bytes() == 0) {
    return;
  }
  note(slot, tensor, Use::writes);
  const std::size_t element_bytes = size_of(tensor.dtype());
  record(slot,
         FillCommand{core::memory_of(tensor),
                     pattern_of(value, tensor.dtype()),
                     element_bytes,
                     tensor.size_bytes() / element_bytes},
         "fill");
}

void CommandBuffer::convert(const Tensor& from, const Tensor& to) {
  CommandSlot& slot = CommandPoolState::slot_of(*this, "CommandBuffer::convert");
  core::require_same_shape(from, to, core::Types::any, "CommandBuffer::convert");
  require_on_device(from, slot, "CommandBuffer::convert");
  require_on_device(to, slot, "CommandBuffer::convert");
  if (!core::has_work(from, to, "CommandBuffer::convert")) {
    return;
  }
  note(slot, from, Use::reads);
  note(slot, to, Use::writes);
  record(slot,
         ConvertCommand{core::memory_of(from),
                        from.dtype(),
                        core::memory_of(to),
                        to.dtype(),
                        from.size_bytes() / size_of(from.dtype())},
         "convert");
}

void CommandBuffer::launch(std::function<void(Stream)> function) {
  CommandSlot& slot = CommandPoolState::slot_of(*this, "CommandBuffer::launch");
  if (!function) {
    throw Error(ErrorCode::invalid_argument, "CommandBuffer::launch was given no function.");
  }
  record(slot,
         LaunchCommand{[function = std::move(function), lease = slot.stream](NativeHandle handle) {
           function(core::StreamAccess::make(lease, handle));
         }},
         "launch");
}

CommandBufferPool::CommandBufferPool(Stream stream,
                                     std::size_t max_buffers,
                                     std::shared_ptr<Trace> trace) {
  if (!stream || max_buffers == 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("A CommandBufferPool needs a stream of a device and at least 1 buffer; "
                            "got {} and {} buffers.",
                            stream ? "a stream" : "Stream{}",
                            max_buffers));
  }
  state_ = core::make_shared_here<CommandPoolState>(stream, max_buffers, std::move(trace));
}

CommandBufferPool& CommandBufferPool::operator=(CommandBufferPool&& other) noexcept {
  const CommandBufferPool old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

CommandBufferPool::~CommandBufferPool() {
  if (state_) {
    state_->cleanup(true);
  }
}

CommandBuffer CommandBufferPool::get_buffer() {
  return made(state_).get();
}

std::optional<CommandBuffer> CommandBufferPool::try_get_buffer() {
  return made(state_).try_get();
}

void CommandBufferPool::return_buffer(CommandBuffer&& buffer) noexcept {
  const CommandBuffer returned(std::move(buffer));
}

Completion CommandBufferPool::execute_async(CommandBuffer&& buffer,
                                            std::function<void(std::exception_ptr)> completion) {
  std::vector<core::Handler> handlers;
  if (completion) {
    handlers.push_back(std::move(completion));
  }
  return made(state_).execute(std::move(buffer), std::move(handlers));
}

Completion CommandBufferPool::execute_batch(std::span<const BatchOperation> operations) {
  return made(state_).execute_batch(operations);
}

CommandPoolStats CommandBufferPool::stats() const {
  return made(state_).stats();
}

void CommandBufferPool::cleanup() noexcept {
  if (state_) {
    state_->cleanup(false);
  }
}

}  // namespace headrace
