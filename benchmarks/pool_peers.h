// SPDX-License-Identifier: Apache-2.0
// The allocators that are measured beside each other: one type each, with the same two calls.
#pragma once

#include "headrace/headrace.h"

#include <bit>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#ifdef HEADRACE_BENCH_MIMALLOC
#include <mimalloc.h>
#ifdef __GLIBC__
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): glibc's names
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void __libc_free(void* block);
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
#endif
#endif

namespace peers {

/// Headrace's manager, on `host`.
class Headrace {
 public:
  using Block = headrace::Buffer;
  Block take(std::size_t size) {
    return manager_.get_buffer(size, headrace::DeviceType::gpu, stream_);
  }
  void give(Block&& block) { block.reset(); }
  [[nodiscard]] headrace::MemoryStats stats() const { return manager_.stats(); }

 private:
  headrace::Device device_ = headrace::open_device("host");
  headrace::Stream stream_ = device_.default_stream();
  headrace::MemoryManager manager_{device_};
};

/// A pointer and its size, for peers whose blocks do not know it.
struct Sized {
  void* pointer = nullptr;
  std::size_t size = 0;
};

/// The pool that everybody writes first: free lists by power of two, under one mutex.
class MutexPool {
 public:
  using Block = Sized;
  Block take(std::size_t size) {
    const std::size_t rounded = std::bit_ceil(size);
    const std::scoped_lock lock(mutex_);
    std::vector<void*>& blocks = free_[rounded];
    if (blocks.empty()) {
      return {std::malloc(rounded), rounded};
    }
    void* block = blocks.back();
    blocks.pop_back();
    return {block, rounded};
  }
  void give(Block&& block) {
    const std::scoped_lock lock(mutex_);
    free_[block.size].push_back(block.pointer);
  }

 private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
};

/// The shape of the caching allocators of the large frameworks: best fit in an ordered set, blocks
/// found again by their address.
class BestFitPool {
 public:
  using Block = void*;
  Block take(std::size_t size) {
    const std::size_t rounded = (size + 511) / 512 * 512;
    const std::scoped_lock lock(mutex_);
    const auto fit = free_.lower_bound({rounded, nullptr});
    if (fit == free_.end()) {
      void* made = std::malloc(rounded);
      taken_[made] = rounded;
      return made;
    }
    const auto [size_of_fit, pointer] = *fit;
    free_.erase(fit);
    taken_[pointer] = size_of_fit;
    return pointer;
  }
  void give(Block&& block) {
    const std::scoped_lock lock(mutex_);
    const auto found = taken_.find(block);
    free_.insert({found->second, block});
    taken_.erase(found);
  }

 private:
  std::mutex mutex_;
  std::set<std::pair<std::size_t, void*>> free_;
  std::unordered_map<void*, std::size_t> taken_;
};

/// The system's own. A library of mimalloc's puts its own functions in the place of malloc and
/// free, so that the system's are called by their other names.
struct Malloc {
  using Block = void*;
#if defined(HEADRACE_BENCH_MIMALLOC) && defined(__GLIBC__)
  static Block take(std::size_t size) {
    return __libc_malloc(size);
  }
  static void give(Block&& block) {
    __libc_free(block);
  }
#else
  static Block take(std::size_t size) {
    return std::malloc(size);
  }
  static void give(Block&& block) {
    std::free(block);
  }
#endif
};

#ifdef HEADRACE_BENCH_MIMALLOC
struct Mimalloc {
  using Block = void*;
  static Block take(std::size_t size) { return mi_malloc(size); }
  static void give(Block&& block) { mi_free(block); }
};
#endif

}  // namespace peers
