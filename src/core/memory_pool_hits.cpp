// SPDX-License-Identifier: Apache-2.0
// Takes and returns that a thread's cache serves: no lock, no allocation, no shared cache line.
#include "core/access.h"
#include "core/memory_pool.h"
#include "core/poison.h"

#include <algorithm>

namespace headrace::core {

Block* MemoryPool::take(std::size_t size, DeviceType device_type, const Stream& stream) {
  if (Block* block = take_here(size, device_type, StreamAccess::id(stream))) [[likely]] {
    return block;
  }
  return take_missed(size, device_type, stream);
}

[[gnu::noinline]] Block* MemoryPool::take_missed(std::size_t size,
                                                 DeviceType device_type,
                                                 const Stream& stream) {
  return take_slowly(size, device_type, device_state_->resolve(stream), StreamAccess::id(stream));
}

Block* MemoryPool::take(std::size_t size,
                        DeviceType device_type,
                        const std::shared_ptr<StreamState>& stream) {
  if (Block* block = take_here(size, device_type, stream->id())) [[likely]] {
    return block;
  }
  return take_slowly(size, device_type, stream, stream->id());
}

inline Block* MemoryPool::take_here(std::size_t size,
                                    DeviceType device_type,
                                    std::uint64_t stream) noexcept {
  CacheEntry* entry = ThreadCaches::find(id_, stream);
  if (!classes_.serve(size) || entry == nullptr || !entry->cache->lock.try_enter()) {
    return nullptr;
  }
  Magazine& magazine = entry->magazines->slots[slot_of(device_type, classes_.index_of(size))];
  Block* block = magazine.top;
  // The host is on no stream, so memory that it will write must be out of every use.
  if (block == nullptr || (device_type == DeviceType::cpu &&
                           !block->lane_->stream->has_passed(block->serial_))) [[unlikely]] {
    entry->cache->lock.leave();
    return nullptr;
  }
  magazine.top = block->next_;
  magazine.size.add(-1);
  hand_over(*block, size, *entry);
  entry->cache->lock.leave();
  return block;
}

inline void MemoryPool::hand_over(Block& block, std::size_t size, CacheEntry& entry) noexcept {
  unpoison(block);
  block.requested_.store(size, std::memory_order_relaxed);
  entry.magazines->takes.add(1);
  Tally& tally = entry.cache->tally;
  const std::int64_t bytes = tally.bytes.add(static_cast<std::int64_t>(block.capacity_));
  if (bytes > tally.high.get()) {
    tally.high.set(bytes);
  }
  tally.requested.add(static_cast<std::int64_t>(size));
}

void MemoryPool::give_back(Block* block) noexcept {
  CacheEntry* entry = ThreadCaches::find(block->pool_->id_, block->stream_id_);
  if (entry == nullptr || block->has_uses_ || !return_here(*block, *entry)) [[unlikely]] {
    give_back_again(block);
  }
}

inline bool MemoryPool::return_here(Block& block, CacheEntry& entry) noexcept {
  ThreadCache& cache = *entry.cache;
  if (block.slot_ == kNoSlot || !cache.lock.try_enter()) [[unlikely]] {
    return false;
  }
  Magazines& magazines = *entry.magazines;
  Magazine& magazine = magazines.slots[block.slot_];
  if (magazines.lane == nullptr || magazine.size.get() >= magazine.limit) [[unlikely]] {
    cache.lock.leave();
    return false;
  }
  block.serial_ = block.lane_->stream->stamp_serial();
  poison_if_over(block, *block.lane_->stream);
  cache.tally.bytes.add(-static_cast<std::int64_t>(block.capacity_));
  cache.tally.requested.add(
      -static_cast<std::int64_t>(block.requested_.load(std::memory_order_relaxed)));
  block.requested_.store(0, std::memory_order_relaxed);
  block.next_ = magazine.top;
  magazine.top = &block;
  magazine.size.add(1);
  magazines.returns.add(1);
  cache.lock.leave();
  return true;
}

[[gnu::noinline]] void MemoryPool::give_back_again(Block* block) noexcept {
  if (!block->pool_->process_.is_current()) {
    return;  // A thread of a forked child has no caches of older pools, so it comes this way.
  }
  block->forget_outcome();  // May run a destructor of the user's: before any lock.
  CacheEntry* entry = ThreadCaches::find_again(block->pool_->id_, block->stream_id_);
  if (entry != nullptr && block->slot_ != kNoSlot &&
      block->is_used_only_on(*block->lane_->stream)) {
    block->forget_uses();  // They are on the stream, before the point that is noted.
    if (block->pool_->spill_if_full(*entry, block->slot_) && return_here(*block, *entry)) {
      return;
    }
  }
  block->pool_->give_back_slowly(block);
}

bool MemoryPool::spill_if_full(CacheEntry& entry, std::size_t slot) noexcept {
  if (!entry.cache->lock.try_enter()) {
    return false;
  }
  if (entry.magazines->lane != nullptr) {
    const Magazine& magazine = entry.magazines->slots[slot];
    if (magazine.size.get() >= magazine.limit) {
      spill(entry, slot);
    }
  }
  entry.cache->lock.leave();
  return true;
}

void MemoryPool::spill(CacheEntry& entry, std::size_t slot) noexcept {
  const Lane& lane = *entry.magazines->lane;
  Magazine& magazine = entry.magazines->slots[slot];
  const std::int32_t kept = magazine.size.get() / 2;
  Block* last_kept = magazine.top;
  for (std::int32_t i = 1; i < kept; ++i) {
    last_kept = last_kept->next_;
  }
  Block* first = kept == 0 ? magazine.top : last_kept->next_;
  (kept == 0 ? magazine.top : last_kept->next_) = nullptr;
  first->serial_ = lane.stream->stamp_serial();
  lane.lists[slot].push(*first, static_cast<std::size_t>(magazine.size.get() - kept));
  magazine.size.set(kept);
  fold(entry.cache->tally);
}

Block* MemoryPool::refill(const Request& request) noexcept {
  CacheEntry* entry = ThreadCaches::find_again(id_, request.asked_stream);
  if (entry == nullptr || request.slot == kNoSlot) {
    return nullptr;
  }
  if (Block* block = take_here(request.size, request.device_type, request.asked_stream)) {
    return block;  // It was not at hand before.
  }
  if (!entry->cache->lock.try_enter()) {
    return nullptr;
  }
  const Lane& lane = *entry->magazines->lane;
  CentralList& list = lane.lists[request.slot];
  const auto [first, size] =
      request.device_type == DeviceType::cpu ? list.pop_passed(*lane.stream) : list.pop();
  if (first != nullptr) {
    Magazine& magazine = entry->magazines->slots[request.slot];
    Block* last = first;
    while (last->next_ != nullptr) {
      last = last->next_;
    }
    last->next_ = magazine.top;
    magazine.top = first->next_;
    magazine.size.add(static_cast<std::int32_t>(size) - 1);
    hand_over(*first, request.size, *entry);
    fold(entry->cache->tally);
  }
  entry->cache->lock.leave();
  return first;
}

void MemoryPool::fold(Tally& tally) noexcept {
  const std::int64_t bytes = tally.bytes.get();
  const std::int64_t before = bytes_.fetch_add(bytes, std::memory_order_relaxed);
  raise_peak(before + std::max(tally.high.get(), bytes));
  requested_.fetch_add(tally.requested.get(), std::memory_order_relaxed);
  tally.bytes.set(0);
  tally.high.set(0);
  tally.requested.set(0);
}

void MemoryPool::raise_peak(std::int64_t bytes) noexcept {
  std::int64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < bytes && !peak_.compare_exchange_weak(peak, bytes, std::memory_order_relaxed)) {
  }
}

void MemoryPool::count_bytes(std::int64_t capacity, std::int64_t requested) noexcept {
  raise_peak(bytes_.fetch_add(capacity, std::memory_order_relaxed) + capacity);
  requested_.fetch_add(requested, std::memory_order_relaxed);
}

}  // namespace headrace::core
