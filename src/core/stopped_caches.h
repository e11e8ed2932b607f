// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/biased_lock.h"
#include "core/thread_cache.h"

#include <memory>
#include <vector>

namespace headrace::core {

/// Keeps every thread out of its cache. The pool's lock is held, so that nobody makes a new one.
class StoppedCaches {
 public:
  explicit StoppedCaches(const std::vector<std::shared_ptr<ThreadCache>>& caches)
      : caches_(caches) {
    for (const std::shared_ptr<ThreadCache>& cache : caches_) {
      cache->lock.stop();
    }
    NativePlatform::heavy_barrier();
    for (const std::shared_ptr<ThreadCache>& cache : caches_) {
      cache->lock.await_owner();
    }
  }
  StoppedCaches(const StoppedCaches&) = delete;
  StoppedCaches& operator=(const StoppedCaches&) = delete;
  ~StoppedCaches() {
    for (const std::shared_ptr<ThreadCache>& cache : caches_) {
      cache->lock.resume();
    }
  }

 private:
  const std::vector<std::shared_ptr<ThreadCache>>& caches_;
};

}  // namespace headrace::core
