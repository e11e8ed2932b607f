// SPDX-License-Identifier: Apache-2.0
// Takes and returns that a thread's cache serves: no lock, no allocation, no shared cache line. The
// public calls that lead here are in this file too, to be compiled as one piece with them.
#include "core/access.h"
#include "core/memory_pool.h"
#include "core/poison.h"
#include "core/tag_table.h"

#include <algorithm>
#include <utility>

namespace headrace::core {

/// How a thread goes into its cache: freely or not at all, or at any price.
enum class MemoryPool::Entry { free, any };

template <MemoryPool::Entry kEntry>
inline bool MemoryPool::enter(BiasedLock& lock) noexcept {
  return kEntry == Entry::free ? lock.try_enter_freely() : lock.try_enter();
}

template <MemoryPool::Entry kEntry>
inline Block* MemoryPool::take_here(std::size_t size,
                                    DeviceType device_type,
                                    std::uint32_t stream) noexcept {
  const CacheEntry* entry = ThreadCaches::find(cache_key(number_, stream));
  if (!classes_.serve(size) || entry == nullptr) [[unlikely]] {
    return nullptr;
  }
  ThreadCache& cache = *entry->cache;
  Magazines& magazines = *entry->magazines;
  if (!enter<kEntry>(cache.lock)) [[unlikely]] {
    return nullptr;
  }
  Magazine& magazine = magazines.slots[slot_of(device_type, classes_.index_of(size))];
  Block* block = magazine.top;
  // The host is on no stream, so memory that it will write must be out of every use.
  if (block == nullptr || (device_type == DeviceType::cpu &&
                           !block->lane_->stream->has_passed(block->serial_))) [[unlikely]] {
    cache.lock.leave();
    return nullptr;
  }
  magazine.top = block->next_;
  magazine.note_take();
  hand_over(*block, size, cache.tally);
  cache.lock.leave();
  return block;
}

inline void MemoryPool::hand_over(Block& block, std::size_t size, Tally& tally) noexcept {
  unpoison(block);
  block.tag_.store(CurrentTag::get(), std::memory_order_relaxed);
  block.requested_.store(size, std::memory_order_relaxed);
  tally.requested.add(static_cast<std::int64_t>(size));
  const std::int64_t bytes = tally.bytes.add(static_cast<std::int64_t>(block.capacity_));
  if (bytes > tally.high.get()) [[unlikely]] {
    tally.high.set(bytes);
  }
}

inline Block* MemoryPool::take_hit(std::size_t size,
                                   DeviceType device_type,
                                   const Stream& stream) noexcept {
  return take_here<Entry::free>(size, device_type, StreamAccess::short_id(stream));
}

Block* MemoryPool::take(std::size_t size, DeviceType device_type, const Stream& stream) {
  Block* block = take_hit(size, device_type, stream);
  return block != nullptr ? block : take_missed(size, device_type, stream);
}

Block* MemoryPool::take_missed(std::size_t size, DeviceType device_type, const Stream& stream) {
  return take_slowly(size,
                     device_type,
                     device_state_->resolve(stream),
                     cache_key(number_, StreamAccess::short_id(stream)));
}

Block* MemoryPool::take(std::size_t size,
                        DeviceType device_type,
                        const std::shared_ptr<StreamState>& stream) {
  if (Block* block = take_here<Entry::free>(size, device_type, stream->short_id())) [[likely]] {
    return block;
  }
  return take_slowly(size, device_type, stream, cache_key(number_, stream->short_id()));
}

template <MemoryPool::Entry kEntry>
inline bool MemoryPool::return_here(Block& block, const CacheEntry& entry) noexcept {
  ThreadCache& cache = *entry.cache;
  Magazines& magazines = *entry.magazines;
  if (!enter<kEntry>(cache.lock)) [[unlikely]] {
    return false;
  }
  Magazine& magazine = magazines.slots[block.slot_];
  if (magazine.size() >= magazine.limit) [[unlikely]] {
    cache.lock.leave();
    return false;
  }
  const StreamState& stream = *magazines.lane->stream;
  block.serial_ = stream.stamp_serial();
  poison_if_over(block, stream);
  cache.tally.bytes.add(-static_cast<std::int64_t>(block.capacity_));
  cache.tally.requested.add(
      -static_cast<std::int64_t>(block.requested_.load(std::memory_order_relaxed)));
  block.requested_.store(0, std::memory_order_relaxed);
  block.next_ = magazine.top;
  magazine.top = &block;
  magazine.note_return();
  cache.lock.leave();
  return true;
}

void MemoryPool::give_back(Block* block) noexcept {
  const CacheEntry* entry = ThreadCaches::find(block->cache_key_);
  if (entry == nullptr || block->has_uses_ || !return_here<Entry::free>(*block, *entry))
      [[unlikely]] {
    give_back_again(block);
  }
}

void MemoryPool::give_back_again(Block* block) noexcept {
  if (!block->pool_->process_.is_current()) {
    return;  // A thread of a forked child has no caches of older pools, so it comes this way.
  }
  block->forget_outcome();  // May run a destructor of the user's: before any lock.
  const CacheEntry* entry = ThreadCaches::find_again(block->cache_key_);
  if (entry != nullptr && block->is_used_only_on(*block->lane_->stream)) {
    block->forget_uses();  // They are on the stream, before the point that is noted.
    if (block->pool_->spill_if_full(*entry, block->slot_) &&
        return_here<Entry::any>(*block, *entry)) {
      return;
    }
  }
  block->pool_->give_back_slowly(block);
}

bool MemoryPool::spill_if_full(const CacheEntry& entry, std::size_t slot) noexcept {
  if (!entry.cache->lock.try_enter()) {
    return false;
  }
  if (entry.magazines->lane != nullptr) {
    const Magazine& magazine = entry.magazines->slots[slot];
    if (magazine.size() >= magazine.limit && magazine.size() != 0) {
      spill(entry, slot);
    }
  }
  entry.cache->lock.leave();
  return true;
}

void MemoryPool::spill(const CacheEntry& entry, std::size_t slot) noexcept {
  const Lane& lane = *entry.magazines->lane;
  Magazine& magazine = entry.magazines->slots[slot];
  const std::int32_t kept = magazine.size() / 2;
  Block* last_kept = magazine.top;
  for (std::int32_t i = 1; i < kept; ++i) {
    last_kept = last_kept->next_;
  }
  Block* first = kept == 0 ? magazine.top : last_kept->next_;
  (kept == 0 ? magazine.top : last_kept->next_) = nullptr;
  first->serial_ = lane.stream->stamp_serial();
  const std::int32_t passed_on = magazine.size() - kept;
  lane.lists[slot].push(*first, static_cast<std::size_t>(passed_on));
  magazine.note_moved_in(-passed_on);
  fold(entry.cache->tally);
}

bool MemoryPool::is_newest_over(const CacheEntry& entry, std::size_t slot) {
  if (!entry.cache->lock.try_enter()) {
    return false;
  }
  const Lane* lane = entry.magazines->lane;
  const Block* newest = entry.magazines->slots[slot].top;
  const bool is_there = lane != nullptr && newest != nullptr;
  const std::shared_ptr<StreamState> stream = is_there ? lane->stream : nullptr;
  const MarkerSerial serial = is_there ? newest->serial_ : 0;
  entry.cache->lock.leave();
  return is_there && stream->is_complete(serial);
}

Block* MemoryPool::refill(const Request& request) {
  const CacheEntry* entry = ThreadCaches::find_again(request.key);
  if (entry == nullptr || request.slot == kNoSlot) {
    return nullptr;
  }
  if (Block* block =
          take_here<Entry::any>(request.size, request.device_type, stream_of(request.key))) {
    return block;  // It was not at hand before.
  }
  if (request.device_type == DeviceType::cpu && is_newest_over(*entry, request.slot)) {
    if (Block* block =
            take_here<Entry::any>(request.size, request.device_type, stream_of(request.key))) {
      return block;
    }
  }
  if (!entry->cache->lock.try_enter()) {
    return nullptr;
  }
  if (entry->magazines->lane == nullptr) {  // Of a stream that is gone, and so is what it had.
    entry->cache->lock.leave();
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
    magazine.note_moved_in(static_cast<std::int32_t>(size));
    magazine.note_take();
    hand_over(*first, request.size, entry->cache->tally);
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

void MemoryPool::fold_own() noexcept {
  ThreadCache* cache = ThreadCaches::cache_of(number_);
  if (cache != nullptr && cache->lock.try_enter()) {
    fold(cache->tally);
    cache->lock.leave();
  }
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

namespace headrace {

Buffer MemoryManager::get_buffer(std::size_t size, DeviceType device_type, const Stream& stream) {
  if (pool_ != nullptr) [[likely]] {
    if (core::Block* block = pool_->take_hit(size, device_type, stream)) [[likely]] {
      return core::BufferAccess::make(block, size);
    }
  }
  return get_missed(size, device_type, stream);
}

[[gnu::noinline]] Buffer MemoryManager::get_missed(std::size_t size,
                                                   DeviceType device_type,
                                                   const Stream& stream) {
  return core::BufferAccess::make(core::made(pool_).take_missed(size, device_type, stream), size);
}

void Buffer::reset() noexcept {
  if (core::Block* block = std::exchange(block_, nullptr)) [[likely]] {
    size_ = 0;
    core::MemoryPool::give_back(block);
  }
}

}  // namespace headrace
