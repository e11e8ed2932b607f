// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a thread keeps of a pool, so that a take and a return on a hit share nothing with others.
/// Design: docs/design/007-thread-caches.md.
#pragma once

#include "core/biased_lock.h"
#include "core/block.h"
#include "core/lane.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace headrace::core {

/// A number that one thread at a time changes and any thread reads.
template <class T>
class OwnedCount {
 public:
  [[nodiscard]] T get() const noexcept { return value_.load(std::memory_order_relaxed); }
  void set(T value) noexcept { value_.store(value, std::memory_order_relaxed); }
  T add(T more) noexcept {
    const T sum = get() + more;
    set(sum);
    return sum;
  }

 private:
  std::atomic<T> value_{0};
};

/// Cached blocks of one slot, the one returned last on top.
class alignas(32) Magazine {
 public:
  Block* top = nullptr;
  std::int32_t limit = 0;  ///< Most blocks it may hold.

  [[nodiscard]] std::int32_t size() const noexcept {
    return static_cast<std::int32_t>(counts_.get() & kSizeMask);
  }
  /// Blocks handed out since `count_anew`.
  [[nodiscard]] std::uint64_t takes() const noexcept { return counts_.get() >> kSizeBits; }
  /// Those less the ones that came back.
  [[nodiscard]] std::int64_t taken() const noexcept { return moved_in_.get() - size(); }

  /// A hit. Both ends change one number.
  void note_take() noexcept { counts_.add((std::uint64_t{1} << kSizeBits) - 1); }
  void note_return() noexcept { counts_.add(1); }
  /// Blocks that came from elsewhere, or with a minus went there.
  void note_moved_in(std::int32_t blocks) noexcept {
    counts_.add(static_cast<std::uint64_t>(std::int64_t{blocks}));
    moved_in_.add(blocks);
  }
  /// Forgets takes and returns so far.
  void count_anew() noexcept {
    moved_in_.set(size());
    counts_.set(counts_.get() & kSizeMask);
  }

 private:
  static constexpr unsigned kSizeBits = 16;
  static constexpr std::uint64_t kSizeMask = (std::uint64_t{1} << kSizeBits) - 1;

  OwnedCount<std::int64_t> moved_in_;  // less those that went elsewhere
  OwnedCount<std::uint64_t> counts_;   // the size, and above it the takes
};

/// A thread's magazines for one stream.
struct Magazines {
  Magazines(Lane& of_lane, CacheKey of_key) : lane(&of_lane), key(of_key) {}

  Lane* lane;               ///< Null once the stream is retired; nothing is cached here then.
  const CacheKey key;       ///< Of the pool and the stream.
  bool is_default = false;  ///< Whether it also serves `Stream{}`. The thread's own.
  /// Keeps nothing from now on. They are empty; the cache's lock is held.
  void shut() noexcept {
    for (Magazine& magazine : slots) {
      magazine.limit = 0;
    }
  }

  std::array<Magazine, kSlots> slots;
};

/// What passed through a cache since it was last added to the pool's totals.
struct Tally {
  OwnedCount<std::int64_t> bytes;      ///< Taken less returned; may be negative.
  OwnedCount<std::int64_t> high;       ///< The most that `bytes` was.
  OwnedCount<std::int64_t> requested;  ///< As `bytes`, in bytes asked for.
};

/// Lets threads and streams that end find a pool that may be gone.
struct PoolLink {
  std::mutex mutex;            ///< Before the pool's lock.
  MemoryPool* pool = nullptr;  ///< Guarded by `mutex`; null once the pool is closed.
};

/// One thread's cache of one pool.
///
/// What the magazines and the tally hold is guarded by `lock`; which magazines there are, by the
/// pool's lock as well. Life: shared by the thread and the pool; whichever ends first empties it.
class alignas(64) ThreadCache {
 public:
  ThreadCache(std::uint32_t pool_number, std::shared_ptr<PoolLink> pool_link)
      : pool(pool_number), link(std::move(pool_link)) {}

  BiasedLock lock;
  Tally tally;
  std::vector<std::unique_ptr<Magazines>> lanes;
  const std::uint32_t pool;  ///< Number of the pool.
  const std::shared_ptr<PoolLink> link;
};

/// Calls `visit` with every magazine of `caches`.
template <class Visit>
void for_each_magazine(const std::vector<std::shared_ptr<ThreadCache>>& caches,
                       const Visit& visit) {
  for (const std::shared_ptr<ThreadCache>& cache : caches) {
    for (const std::unique_ptr<Magazines>& magazines : cache->lanes) {
      for (const Magazine& magazine : magazines->slots) {
        visit(magazine);
      }
    }
  }
}

/// Where the calling thread finds its cache of a pool and a stream: a small table of those used
/// last.
struct alignas(32) CacheEntry {
  CacheKey key = 0;  ///< 0 where there is none: no pool has that number.
  ThreadCache* cache = nullptr;
  Magazines* magazines = nullptr;
};

/// The calling thread's caches.
class ThreadCaches {
 public:
  /// \returns null when none for the pool and stream is at hand.
  static const CacheEntry* find(CacheKey key) noexcept {
    if (table_ == nullptr) [[unlikely]] {
      return nullptr;
    }
    const CacheEntry& entry = table_->entries[place_of(key)];
    return entry.key == key ? &entry : nullptr;
  }

  /// Looks through all of the thread's caches, and puts what it finds at hand.
  static const CacheEntry* find_again(CacheKey key) noexcept;

  /// The thread's cache of the pool, or null.
  static ThreadCache* cache_of(std::uint32_t pool) noexcept;

  /// Keeps a new cache. \returns False when the thread is about to end.
  static bool keep(const std::shared_ptr<ThreadCache>& cache);

  /// Lets the calling thread of a forked child begin anew; what it kept stays where it is.
  static void leave_behind() noexcept { table_ = nullptr; }

  /// Takes the entries of `magazines` out of hand.
  static void forget(const Magazines& magazines) noexcept;

 private:
  static constexpr std::size_t kPlaceBits = 4;
  static constexpr std::size_t kPlaces = std::size_t{1} << kPlaceBits;
  struct Table {
    std::array<CacheEntry, kPlaces> entries;
    std::vector<std::shared_ptr<ThreadCache>> caches;
  };
  struct Holder;
  static std::size_t place_of(CacheKey key) noexcept {
    return (key * 0x9E3779B97F4A7C15U) >> (64 - kPlaceBits);  // Fibonacci hashing
  }
  static Table* table();

  // Trivial, so that finding it costs one load; Holder empties it when the thread ends.
  // NOLINTNEXTLINE(readability-identifier-naming): a member, whatever follows its name
  static constinit thread_local Table* table_
#if defined(__GNUC__)
      __attribute__((tls_model("initial-exec")))
#endif
      ;
};

}  // namespace headrace::core
