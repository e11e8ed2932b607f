// SPDX-License-Identifier: Apache-2.0
// What a pool says of itself.
#include "core/memory_pool.h"
#include "core/stopped_caches.h"

#include <algorithm>

namespace headrace::core {

std::int64_t MemoryPool::current_bytes() const {
  std::int64_t bytes = bytes_.load(std::memory_order_relaxed);
  for (const std::shared_ptr<ThreadCache>& cache : caches_) {
    bytes += cache->tally.bytes.get();
  }
  return std::max<std::int64_t>(bytes, 0);
}

std::int64_t MemoryPool::current_buffers() const {
  std::int64_t taken = 0;
  for (const auto& [id, lane] : lanes_) {
    taken += lane->taken;
  }
  for_each_magazine(caches_, [&taken](const Magazine& magazine) { taken += magazine.taken(); });
  return std::max<std::int64_t>(taken, 0);
}

MemoryStats MemoryPool::stats() const {
  process_.require_current("The memory pool");
  const std::scoped_lock lock(mutex_);
  return stats_now();
}

void MemoryPool::reset_peaks() {
  process_.require_current("The memory pool");
  const std::scoped_lock lock(mutex_);
  const StoppedCaches stopped(caches_);
  for (const std::shared_ptr<ThreadCache>& cache : caches_) {
    fold(cache->tally);  // Else its high would be added afterwards.
  }
  peak_.store(bytes_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  totals_.peak_reserved_bytes = totals_.reserved_bytes;
}

MemoryStats MemoryPool::stats_now() const {
  MemoryStats stats = totals_;
  stats.release_errors += log_ && log_->is_broken() ? 1U : 0U;
  std::int64_t requested = requested_.load(std::memory_order_relaxed);
  std::int64_t peak = peak_.load(std::memory_order_relaxed);
  const std::int64_t folded = bytes_.load(std::memory_order_relaxed);
  for (const std::shared_ptr<ThreadCache>& cache : caches_) {
    requested += cache->tally.requested.get();
    peak = std::max(peak, folded + cache->tally.high.get());
  }
  for_each_magazine(caches_,
                    [&stats](const Magazine& magazine) { stats.hits += magazine.takes(); });
  const std::int64_t current = current_bytes();
  stats.current_bytes = static_cast<std::uint64_t>(current);
  stats.peak_bytes = static_cast<std::uint64_t>(std::max(peak, current));
  stats.requested_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(requested, 0));
  stats.cached_bytes = stats.reserved_bytes - std::min(stats.reserved_bytes, stats.current_bytes);
  stats.current_buffers = static_cast<std::uint64_t>(current_buffers());
  stats.cached_buffers = existing_ - std::min<std::size_t>(existing_, stats.current_buffers);
  for (const SegmentHeap& heap : heaps_) {
    stats.segments += heap.segment_count();
    stats.free_bytes += heap.free_bytes();
    stats.largest_free_bytes =
        std::max<std::uint64_t>(stats.largest_free_bytes, heap.largest_free());
  }
  return stats;
}

std::map<PoolKey, BufferPoolStats> MemoryPool::pool_stats() const {
  process_.require_current("The memory pool");
  const std::scoped_lock lock(mutex_);
  std::map<PoolKey, BufferPoolStats> all;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const ClassPool& pool = slots_.at(slot);
    if (pool.existing == 0) {
      continue;
    }
    std::size_t available = pool.loose.size();
    for (const auto& [id, lane] : lanes_) {
      available += lane->lists[slot].size();
    }
    for (const std::shared_ptr<ThreadCache>& cache : caches_) {
      for (const std::unique_ptr<Magazines>& magazines : cache->lanes) {
        available += static_cast<std::size_t>(magazines->slots.at(slot).size());
      }
    }
    const PoolKey key{classes_.capacity_of(slot % SizeClasses::kCount),
                      static_cast<DeviceType>(slot / SizeClasses::kCount)};
    all[key] = {available, pool.existing, config_.count_limit};
  }
  for (const SegmentHeap& heap : heaps_) {
    heap.for_each([&](const Span& span) {
      if (!span.is_free && span.slot == kNoSlot) {  // A taken block of no class.
        BufferPoolStats& stats = all[{span.capacity, span.blocks[0].device_type()}];
        ++stats.allocated;
        stats.max_size = config_.count_limit;
      }
    });
  }
  return all;
}

BufferPoolStats MemoryPool::buffer_stats() const {
  process_.require_current("The memory pool");
  const std::scoped_lock lock(mutex_);
  const auto taken = static_cast<std::size_t>(current_buffers());
  return {existing_ - std::min(existing_, taken), existing_, config_.count_limit};
}

}  // namespace headrace::core
