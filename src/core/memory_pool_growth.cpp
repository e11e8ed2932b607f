// SPDX-License-Identifier: Apache-2.0
// How blocks are made: cut from spans, spans from segments, and segments asked of the device.
#include "headrace/error.h"

#include "core/memory_pool.h"
#include "core/poison.h"

#include <algorithm>
#include <utility>

namespace headrace::core {

namespace {

/// Blocks of one class that are made together fill at most this many bytes.
constexpr std::size_t kSpanBytes = std::size_t{256} << 10;
/// A new segment is at least this part of what the pool has of its kind, and at most so many bytes
/// for that reason.
constexpr std::size_t kSegmentShare = 64;
constexpr std::size_t kLargestShare = std::size_t{8} << 20;
/// And so for blocks of a class.
constexpr std::size_t kSpanShare = 8;

MemoryView place_in(const Span& span, std::size_t index) {
  const MemoryBlock& memory = span.segment->memory;
  const std::size_t offset = span.offset + index * span.capacity;
  return {memory.handle, offset, memory.host == nullptr ? nullptr : memory.host + offset};
}

}  // namespace

Block* MemoryPool::carve(const Request& request, Fit fit) {
  if (request.slot == kNoSlot) {
    Span* span = take_span(request.capacity, request, fit);
    return span == nullptr ? nullptr : carve_first(*span, 1, request);
  }
  Span*& carving = slots_.at(request.slot).carving;
  if (carving != nullptr && carving->uses.all_passed_or_on(request.user())) {
    return carve_from(*carving, request);
  }
  std::size_t count = blocks_wanted(request.slot);
  Span* span = take_span(count * request.capacity, request, fit);
  if (span == nullptr && count != 1) {
    count = 1;
    span = take_span(request.capacity, request, fit);
  }
  return span == nullptr ? nullptr : carve_first(*span, count, request);
}

Span* MemoryPool::take_span(std::size_t bytes, const Request& request, Fit fit) {
  SegmentHeap& from = heap(request.device_type);
  Span* span = fit == Fit::one_span ? from.take(bytes, request.user())
                                    : from.take_run(bytes,
                                                    request.user(),
                                                    fit == Fit::run ? SegmentHeap::Ready::at_once
                                                                    : SegmentHeap::Ready::any);
  if (span != nullptr) {
    span->slot = request.slot;
    span->capacity = request.capacity;
    span->carved = span->cached = 0;
  }
  return span;
}

Block* MemoryPool::carve_first(Span& span, std::size_t count, const Request& request) {
  try {
    if (span.block_count != count) {
      span.blocks = std::make_unique<Block[]>(count);
      span.block_count = count;
    }
    return carve_from(span, request);
  } catch (...) {
    UseList uses = std::move(span.uses);
    heap(request.device_type).give(&span, std::move(uses));
    throw;
  }
}

Block* MemoryPool::carve_from(Span& span, const Request& request) {
  Block& block = span.blocks[span.carved];
  const MemoryView place = place_in(span, span.carved);
  const bool is_address = span.segment->memory.kind == HandleKind::pointer;
  block.writers_ = span.uses;  // The last that may fail.
  ++span.carved;
  block.pool_ = this;
  block.span_ = &span;
  block.slot_ = static_cast<std::uint16_t>(request.slot);
  block.capacity_ = request.capacity;
  block.device_type_ = request.device_type;
  block.memory_ = {is_address ? place.handle + place.offset : place.handle,
                   place.host,
                   request.capacity,
                   span.segment->memory.kind};
  block.offset_ = is_address ? 0 : place.offset;
  block.has_uses_ = true;
  block.serial_ = 0;  // Its place may have held another block.
  ++existing_;
  if (request.slot != kNoSlot) {
    ClassPool& pool = slots_.at(request.slot);
    ++pool.existing;
    pool.carving = span.carved < span.block_count ? &span
                   : pool.carving == &span        ? nullptr
                                                  : pool.carving;
  }
  return &block;
}

std::size_t MemoryPool::blocks_wanted(std::size_t slot) const {
  if (config_.count_limit != 0) {
    return 1;  // Each buffer counts, so none is made before it is wanted.
  }
  const std::size_t capacity = classes_.capacity_of(slot % SizeClasses::kCount);
  const std::size_t most = std::max<std::size_t>(kSpanBytes / capacity, 1);
  return std::clamp<std::size_t>(slots_.at(slot).existing / kSpanShare, 1, most);
}

std::size_t MemoryPool::segment_size(const Request& request) const {
  const std::size_t batch =
      request.slot == kNoSlot ? request.capacity : blocks_wanted(request.slot) * request.capacity;
  const std::size_t held = heaps_.at(static_cast<std::size_t>(request.device_type)).bytes();
  const std::size_t share = std::min(held / kSegmentShare, kLargestShare);
  const std::size_t size =
      checked_round_up(std::max(batch, share), device_state_->caps().granularity);
  return bytes_reached(size) || above_soft_limit(size) ? request.capacity : size;
}

Block* MemoryPool::grow(Request& request, std::size_t bytes) {
  std::exception_ptr failure;
  MemoryBlock memory = ask_device(request.device_type, bytes, failure);
  std::size_t given = bytes;
  if (memory.size == 0 && !failure && bytes > request.capacity) {
    given = request.capacity;
    memory = ask_device(request.device_type, given, failure);
  }
  const std::scoped_lock lock(mutex_);
  --existing_;  // It was counted so that nobody else would make one too many.
  if (memory.size == 0) {
    given = 0;
  }
  totals_.reserved_bytes -= bytes - given;
  if (failure) {
    ++totals_.failures;
    std::rethrow_exception(failure);
  }
  if (given == 0) {
    request.shortage = Shortage::device;
    return nullptr;
  }
  try {
    heap(request.device_type).add(memory, given, Clock::now());
  } catch (...) {
    totals_.reserved_bytes -= given;
    device_state_->backend().release(memory);
    throw;
  }
  grown_since_collection_ += given;
  poison(memory.host, given);
  if (open_parts_.are_told()) {
    open_parts_.add_segment(memory);
  }
  ++totals_.misses;
  totals_.peak_reserved_bytes = std::max(totals_.peak_reserved_bytes, totals_.reserved_bytes);
  Block* block = carve(request, Fit::one_span);
  hand_out(*block, request, false);
  return block;
}

MemoryBlock MemoryPool::ask_device(DeviceType device_type,
                                   std::size_t bytes,
                                   std::exception_ptr& failure) {
  try {
    return device_state_->backend().allocate(device_type, bytes);
  } catch (const Error& error) {
    failure = error.code() == ErrorCode::out_of_memory ? nullptr : std::current_exception();
  } catch (...) {
    failure = std::current_exception();
  }
  return {};
}

}  // namespace headrace::core
