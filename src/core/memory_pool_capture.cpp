// SPDX-License-Identifier: Apache-2.0
// Memory of captured graphs: kept from everybody else until its CaptureScope ends.
#include "headrace/error.h"

#include "core/access.h"
#include "core/capture.h"
#include "core/log.h"
#include "core/memory_pool.h"
#include "core/stopped_caches.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

namespace headrace::core {

Block* Capture::reuse(std::size_t slot, std::size_t capacity, DeviceType device_type) noexcept {
  for (Block* block = reusable.newest(); block != nullptr; block = BlockList::older(*block)) {
    if (block->slot() == slot && block->capacity() == capacity &&
        block->device_type() == device_type) {
      reusable.remove(*block);
      bytes -= capacity;
      return block;
    }
  }
  return nullptr;
}

std::shared_ptr<Capture> MemoryPool::begin_capture(const Stream& stream) {
  process_.require_current("The memory pool");
  const std::shared_ptr<StreamState> state = device_state_->resolve(stream);
  auto capture = std::make_shared<Capture>(state);
  const std::scoped_lock lock(mutex_);
  Lane& lane = lane_of(state);
  if (lane.capture) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Stream {} of memory manager '{}' has a CaptureScope whose capture has "
                            "not ended.",
                            state->id(),
                            config_.name));
  }
  shut_caches(lane, &lane);
  state->pause_markers();
  lane.capture = capture;
  lane.has_capture = true;
  return capture;
}

void MemoryPool::end_capture(const Capture& capture) noexcept {
  if (!process_.is_current()) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  Lane& lane = *lanes_.at(capture.stream->id());  // It is there while a handle of its stream is.
  if (lane.capture.get() != &capture) {
    return;
  }
  const StoppedCaches stopped(caches_);
  for (const std::shared_ptr<ThreadCache>& cache : caches_) {
    for (const std::unique_ptr<Magazines>& magazines : cache->lanes) {
      if (magazines->lane == &lane) {
        open(*magazines);
      }
    }
  }
  lane.has_capture = false;
  lane.capture = nullptr;
  capture.stream->resume_markers();
}

void MemoryPool::end_scope(Capture& capture) noexcept {
  end_capture(capture);
  if (!process_.is_current()) {
    return;
  }
  const Ticket end = end_of_work(*capture.stream);
  const std::scoped_lock lock(mutex_);
  capture.uses.add(end);
  capture.is_over = true;
  for (BlockList* list : {&capture.reusable, &capture.kept}) {
    while (Block* block = list->oldest()) {
      list->remove(*block);
      if (!keep_on(*block, false)) {
        make_loose(*block);
      }
    }
  }
  capture.bytes = 0;
}

void MemoryPool::keep(const Buffer& buffer, const std::shared_ptr<Capture>& capture) {
  process_.require_current("The memory pool");
  Block* block = BufferAccess::block(buffer);
  if (block == nullptr || block->capacity() == 0 || block->pool_ != this) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("A CaptureScope of memory manager '{}' cannot keep {}.",
                    config_.name,
                    block == nullptr || block->capacity() == 0 ? "an empty buffer"
                                                               : "a buffer of another manager"));
  }
  const std::scoped_lock lock(mutex_);
  if (block->capture_ && !block->capture_->is_over && block->capture_ != capture) {
    throw Error(ErrorCode::invalid_argument,
                "The buffer is kept by another CaptureScope already; hold it as long as both.");
  }
  if (block->capture_ && block->capture_->is_over) {
    const std::scoped_lock block_lock(block->mutex_);
    block->writers_.add(block->capture_->uses);
    block->has_uses_ = true;
  }
  block->cache_key_ = kNoCacheKey;  // So that it comes back to the pool itself.
  block->capture_ = capture;
}

void MemoryPool::record_use(Capture& capture, const Stream& stream) {
  process_.require_current("The memory pool");
  const Ticket use = device_state_->resolve(stream)->stamp();
  const std::scoped_lock lock(mutex_);
  capture.uses.add(use);
}

std::size_t MemoryPool::kept_bytes(const Capture& capture) const {
  const std::scoped_lock lock(mutex_);
  return capture.bytes;
}

bool MemoryPool::is_captured(const Lane& lane) noexcept {
  try {
    return lane.has_capture.load(std::memory_order_relaxed) && lane.stream->is_capturing();
  } catch (const std::exception& error) {
    log_error(error.what());
    return true;  // Kept longer than need be, perhaps.
  }
}

bool MemoryPool::keep_for_captures(Block& block, bool was_captured) noexcept {
  const Lane& lane = *block.lane_;
  const bool may_be_reused =
      was_captured && block.is_of_capture_ && block.capture_ == lane.capture &&
      block.device_type_ != DeviceType::cpu && block.is_used_only_on(*lane.stream);
  block.is_of_capture_ = false;
  if (was_captured && block.capture_ != lane.capture) {
    (block.capture_ ? block.also_ : block.capture_) = lane.capture;
  }
  return keep_on(block, may_be_reused);
}

bool MemoryPool::keep_on(Block& block, bool may_be_reused) noexcept {
  while (block.capture_) {
    if (!block.capture_->is_over) {
      block.capture_->keep(block, may_be_reused);
      return true;
    }
    block.writers_.add(block.capture_->uses);
    block.has_uses_ = true;
    block.capture_ = std::exchange(block.also_, nullptr);
  }
  return false;
}

}  // namespace headrace::core
