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
struct Magazine {
  Block* top = nullptr;
  OwnedCount<std::int32_t> size;
  std::int32_t limit = 0;  ///< Most blocks it may hold.
};

/// A thread's magazines for one stream.
struct Magazines {
  Magazines(Lane& of_lane, std::uint64_t id) : lane(&of_lane), stream(id) {}

  Lane* lane;                  ///< Null once the stream is retired; nothing is cached here then.
  const std::uint64_t stream;  ///< Id of the stream.
  bool is_default = false;     ///< Whether it also serves `Stream{}`. The thread's own.
  OwnedCount<std::int64_t> takes;    ///< Blocks taken here since that was last counted.
  OwnedCount<std::int64_t> returns;  ///< And those returned here.
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
  ThreadCache(std::uint64_t pool_id, std::shared_ptr<PoolLink> pool_link)
      : pool(pool_id), link(std::move(pool_link)) {}

  BiasedLock lock;
  Tally tally;
  std::vector<std::unique_ptr<Magazines>> lanes;
  const std::uint64_t pool;  ///< Number of the pool.
  const std::shared_ptr<PoolLink> link;
};

/// Where the calling thread finds its cache of a pool and a stream: a small table of those used
/// last.
struct CacheEntry {
  std::uint64_t pool = 0;    ///< Number of the pool; none is 0.
  std::uint64_t stream = 0;  ///< Id of the stream; 0 for the default one.
  ThreadCache* cache = nullptr;
  Magazines* magazines = nullptr;
};

/// The calling thread's caches.
class ThreadCaches {
 public:
  /// \returns null when none for the pool and stream is at hand.
  static CacheEntry* find(std::uint64_t pool, std::uint64_t stream) noexcept {
    if (table_ == nullptr) {
      return nullptr;
    }
    CacheEntry& entry = table_->entries[place_of(pool, stream)];
    return entry.pool == pool && entry.stream == stream ? &entry : nullptr;
  }

  /// Looks through all of the thread's caches, and puts what it finds at hand.
  static CacheEntry* find_again(std::uint64_t pool, std::uint64_t stream) noexcept;

  /// The thread's cache of the pool, or null.
  static ThreadCache* cache_of(std::uint64_t pool) noexcept;

  /// Keeps a new cache. \returns False when the thread is about to end.
  static bool keep(const std::shared_ptr<ThreadCache>& cache);

  /// Lets the calling thread of a forked child begin anew; what it kept stays where it is.
  static void leave_behind() noexcept { table_ = nullptr; }

  /// Takes the entries of `magazines` out of hand.
  static void forget(const Magazines& magazines) noexcept;

 private:
  static constexpr std::size_t kPlaces = 16;
  struct Table {
    std::array<CacheEntry, kPlaces> entries;
    std::vector<std::shared_ptr<ThreadCache>> caches;
  };
  struct Holder;
  static std::size_t place_of(std::uint64_t pool, std::uint64_t stream) noexcept {
    return (pool * 5 + stream) % kPlaces;
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
