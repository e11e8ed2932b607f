// SPDX-License-Identifier: Apache-2.0
#include "core/staging_pool.h"

#include "headrace/error.h"
#include "headrace/memory_tag.h"

#include "core/access.h"
#include "core/host_range.h"
#include "core/log.h"
#include "core/storage.h"
#include "core/tag_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::core {

StagingPoolState::StagingPoolState(MemoryManager manager,
                                   std::size_t max_buffers,
                                   std::size_t buffer_size)
    : manager_(std::move(manager)),
      max_buffers_(max_buffers),
      buffer_size_(buffer_size),
      stream_(manager_.device().make_stream()) {
  stats_.buffer_size = buffer_size;
  stats_.max_buffers = max_buffers;
}

StagingBuffer StagingPoolState::hold(std::shared_ptr<StagingSlot> slot) {
  StagingBuffer buffer;
  buffer.slot_ = std::move(slot);
  return buffer;
}

void StagingPoolState::settle_locked() {
  while (!in_flight_.empty() &&
         in_flight_.front().ticket.stream->is_complete(in_flight_.front().ticket.serial)) {
    idle_.push_back(std::move(in_flight_.front().slot));
    in_flight_.pop_front();
    changed_.notify_one();
  }
}

std::optional<StagingBuffer> StagingPoolState::try_get() {
  {
    const std::scoped_lock lock(mutex_);
    settle_locked();
    if (!idle_.empty()) {
      std::shared_ptr<StagingSlot> slot = std::move(idle_.back());
      idle_.pop_back();
      return hold(std::move(slot));
    }
    if (stats_.total_buffers == max_buffers_) {
      return std::nullopt;
    }
    ++stats_.total_buffers;
  }
  try {
    auto slot = make_shared_here<StagingSlot>();
    const MemoryTag tag(kStagingTag);
    slot->buffer = manager_.get_buffer(buffer_size_, DeviceType::cpu, stream_);
    slot->pool = weak_from_this();
    return hold(std::move(slot));
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    --stats_.total_buffers;
    changed_.notify_one();  // Somebody who waits may try to make one instead.
    throw;
  }
}

StagingBuffer StagingPoolState::get() {
  std::optional<StagingBuffer> buffer = try_get();
  if (buffer) {
    return std::move(*buffer);
  }
  std::unique_lock lock(mutex_);
  ++stats_.waits;
  while (!buffer) {
    settle_locked();
    if (idle_.empty() && !in_flight_.empty()) {
      const Ticket oldest = in_flight_.front().ticket;
      lock.unlock();
      try {
        oldest.stream->wait(oldest.serial);
      } catch (...) {
        changed_.notify_all();  // Others wait for the same end and must hear of it.
        throw;
      }
      lock.lock();
    } else if (idle_.empty() && stats_.total_buffers == max_buffers_) {
      changed_.wait(lock);
    } else {
      lock.unlock();
      buffer = try_get();
      lock.lock();
    }
  }
  return std::move(*buffer);
}

void StagingPoolState::put_back(std::shared_ptr<StagingSlot> slot) noexcept {
  if (!process_.is_current()) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  idle_.push_back(std::move(slot));
  changed_.notify_one();
}

void StagingPoolState::require_target(const Tensor& target) const {
  const Storage& storage = storage_of(target, "StagingBufferPool::transfer_to_gpu");
  if (storage.pool().device() != manager_.device()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("A staging pool of {} cannot fill {}.",
                            manager_.device().info().spec,
                            target.to_string()));
  }
  if (StreamAccess::state(stream_)->is_capturing()) {
    throw Error(ErrorCode::invalid_argument,
                "A transfer cannot be part of a capture: its stream is being captured.");
  }
}

Ticket StagingPoolState::send(StagingBuffer& buffer,
                              const Tensor& target,
                              std::size_t offset,
                              std::size_t bytes,
                              std::shared_ptr<Outcome> outcome) {
  const Block& source = *BufferAccess::block(buffer.slot_->buffer);
  MemoryView to = memory_of(target);
  to.offset += offset;
  to.host = to.host == nullptr ? nullptr : to.host + offset;
  auto submission = std::make_shared<Submission>();
  Command& command = submission->commands.emplace_back();
  command.work = CopyCommand{source.view(0), to, bytes};
  command.label = "stage";
  submission->outcome = std::move(outcome);
  StreamState& stream = *StreamAccess::state(stream_);
  // One at a time, so that the buffers in flight stand in the order of their markers.
  const std::scoped_lock lock(mutex_);
  stream.submit(std::move(submission));
  const Ticket ticket = stream.next();
  in_flight_.push_back({std::move(buffer.slot_), ticket});
  changed_.notify_one();
  stream.mark();
  return ticket;
}

void StagingPoolState::note_transfer(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  ++stats_.transfers;
  stats_.transferred_bytes += bytes;
}

Completion StagingPoolState::transfer(std::span<const std::byte> bytes, const Tensor& target) {
  require_target(target);
  if (bytes.empty()) {
    return {};
  }
  Block& block = storage_of(target, "StagingBufferPool::transfer_to_gpu").block();
  StreamState& stream = *StreamAccess::state(stream_);
  block.before_write(stream);
  HostCopier& copier = DeviceAccess::state(manager_.device())->copier();
  const auto outcome = std::make_shared<Outcome>();  // one for all pieces
  Ticket last;
  try {
    for (std::size_t offset = 0; offset < bytes.size(); offset += buffer_size_) {
      const std::size_t piece = std::min(buffer_size_, bytes.size() - offset);
      StagingBuffer buffer = get();
      copier.copy_for_device(buffer.bytes().data(), bytes.data() + offset, piece);
      last = send(buffer, target, offset, piece, outcome);
    }
  } catch (...) {
    block.after_write(stream.point(), outcome);  // The pieces already sent still write.
    throw;
  }
  block.after_write(stream.point(), outcome);
  note_transfer(bytes.size());
  return CompletionAccess::make(std::make_shared<CompletionState>(last, outcome));
}

Completion StagingPoolState::transfer(StagingBuffer&& filled, const Tensor& target) {
  if (!filled || filled.slot_->pool.lock().get() != this) {
    throw Error(ErrorCode::invalid_argument,
                "transfer_to_gpu was given a staging buffer that is empty or of another pool.");
  }
  require_target(target);
  if (target.size_bytes() > buffer_size_) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "A staging buffer of {} bytes cannot fill {}.", buffer_size_, target.to_string()));
  }
  if (target.size_bytes() == 0) {
    const StagingBuffer unused(std::move(filled));
    return {};
  }
  Block& block = storage_of(target, "StagingBufferPool::transfer_to_gpu").block();
  StreamState& stream = *StreamAccess::state(stream_);
  block.before_write(stream);
  const auto outcome = std::make_shared<Outcome>();
  Ticket ticket;
  try {
    ticket = send(filled, target, 0, target.size_bytes(), outcome);
  } catch (...) {
    block.after_write(stream.point(), outcome);  // It may be on its way without a marker.
    throw;
  }
  block.after_write(stream.point(), outcome);
  note_transfer(target.size_bytes());
  return CompletionAccess::make(std::make_shared<CompletionState>(ticket, outcome));
}

Completion StagingPoolState::transfer(HostRange& source, std::size_t offset, const Tensor& target) {
  require_target(target);
  source.require_fits(target, offset, "transfer_to_gpu");
  if (target.size_bytes() == 0) {
    return {};
  }
  StreamState& stream = *StreamAccess::state(stream_);
  auto outcome = submit_from_range(stream, source, offset, target);
  Ticket ticket = stream.mark();
  note_transfer(target.size_bytes());
  return CompletionAccess::make(
      std::make_shared<CompletionState>(std::move(ticket), std::move(outcome)));
}

void StagingPoolState::wait_for_all() {
  const Ticket end = StreamAccess::state(stream_)->mark();
  end.stream->wait(end.serial);
}

StagingPoolStats StagingPoolState::stats() {
  const std::scoped_lock lock(mutex_);
  settle_locked();
  StagingPoolStats stats = stats_;
  stats.available_buffers = idle_.size();
  stats.in_use_buffers = stats.total_buffers - idle_.size();
  return stats;
}

void StagingPoolState::cleanup() noexcept {
  if (!process_.is_current()) {
    return;
  }
  try {
    wait_for_all();
  } catch (const std::exception& error) {
    log_error(error.what());
  }
  std::vector<std::shared_ptr<StagingSlot>> dropped;
  const std::scoped_lock lock(mutex_);
  settle_locked();
  stats_.total_buffers -= idle_.size();
  dropped.swap(idle_);
  changed_.notify_all();
}

}  // namespace headrace::core
