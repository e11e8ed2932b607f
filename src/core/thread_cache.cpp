// SPDX-License-Identifier: Apache-2.0
#include "core/thread_cache.h"

#include "core/memory_pool.h"

#include <utility>

namespace headrace::core {

constinit thread_local ThreadCaches::Table* ThreadCaches::table_ = nullptr;

/// Ends a thread's table. Its destructor runs before those of objects made earlier in the thread,
/// which may still return blocks: they find no table, and the pool takes them directly.
struct ThreadCaches::Holder {
  bool* has_ended;

  explicit Holder(bool* ended) : has_ended(ended) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    *has_ended = true;
    const std::unique_ptr<Table> table(std::exchange(table_, nullptr));
    if (!table) {
      return;  // Left behind by a fork, and none was made since.
    }
    for (const std::shared_ptr<ThreadCache>& cache : table->caches) {
      const std::scoped_lock lock(cache->link->mutex);
      if (cache->link->pool != nullptr) {
        cache->link->pool->absorb(*cache);
      }
    }
  }
};

ThreadCaches::Table* ThreadCaches::table() {
  constinit static thread_local bool has_ended = false;
  if (has_ended) {
    return nullptr;
  }
  static thread_local const Holder holder(&has_ended);
  if (table_ == nullptr) {
    table_ = new Table;
  }
  return table_;
}

const CacheEntry* ThreadCaches::find_again(CacheKey key) noexcept {
  ThreadCache* cache = cache_of(pool_of(key));
  if (cache == nullptr) {
    return nullptr;
  }
  for (const std::unique_ptr<Magazines>& magazines : cache->lanes) {
    if (magazines->key == key || (stream_of(key) == 0 && magazines->is_default)) {
      CacheEntry& entry = table_->entries[place_of(key)];
      entry = {key, cache, magazines.get()};
      return &entry;
    }
  }
  return nullptr;
}

ThreadCache* ThreadCaches::cache_of(std::uint32_t pool) noexcept {
  if (table_ != nullptr) {
    for (const std::shared_ptr<ThreadCache>& cache : table_->caches) {
      if (cache->pool == pool) {
        return cache.get();
      }
    }
  }
  return nullptr;
}

bool ThreadCaches::keep(const std::shared_ptr<ThreadCache>& cache) {
  Table* mine = table();
  if (mine == nullptr) {
    return false;
  }
  // The caches of pools that are gone are empty; nobody else would let go of them.
  std::erase_if(mine->caches, [mine](const std::shared_ptr<ThreadCache>& other) {
    if (other.use_count() > 1) {
      return false;
    }
    for (CacheEntry& entry : mine->entries) {
      entry = entry.cache == other.get() ? CacheEntry{} : entry;
    }
    return true;
  });
  mine->caches.push_back(cache);
  return true;
}

void ThreadCaches::forget(const Magazines& magazines) noexcept {
  if (table_ != nullptr) {
    for (CacheEntry& entry : table_->entries) {
      entry = entry.magazines == &magazines ? CacheEntry{} : entry;
    }
  }
}

}  // namespace headrace::core
