// SPDX-License-Identifier: Apache-2.0
// Taking and giving back memory on a hit: Headrace's manager beside a mutex-and-map pool, mimalloc
// and the standard allocator, in the same run.
#include "headrace/headrace.h"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#ifdef HEADRACE_BENCH_MIMALLOC
#include <mimalloc.h>
#endif

namespace {

constexpr std::size_t kSize = 4096;

/// The pool that everybody writes first: a map from size to free blocks, under one mutex.
class MutexMapPool {
 public:
  void* take(std::size_t size) {
    const std::scoped_lock lock(mutex_);
    std::vector<void*>& blocks = free_[size];
    if (blocks.empty()) {
      return std::malloc(size);
    }
    void* block = blocks.back();
    blocks.pop_back();
    return block;
  }
  void give_back(void* block, std::size_t size) {
    const std::scoped_lock lock(mutex_);
    free_[size].push_back(block);
  }

 private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
};

void headrace_get_buffer(benchmark::State& state) {
  static headrace::MemoryManager manager(headrace::open_device("host"));
  static const headrace::Stream stream = headrace::open_device("host").default_stream();
  for (auto _ : state) {
    const headrace::Buffer buffer = manager.get_buffer(kSize, headrace::DeviceType::gpu, stream);
    benchmark::DoNotOptimize(buffer.native_handle().value);
  }
}
BENCHMARK(headrace_get_buffer)->ThreadRange(1, 16)->UseRealTime();

void mutex_map_pool(benchmark::State& state) {
  static MutexMapPool pool;
  for (auto _ : state) {
    void* block = pool.take(kSize);
    benchmark::DoNotOptimize(block);
    pool.give_back(block, kSize);
  }
}
BENCHMARK(mutex_map_pool)->ThreadRange(1, 16)->UseRealTime();

void standard_allocator(benchmark::State& state) {
  for (auto _ : state) {
    void* block = std::malloc(kSize);
    benchmark::DoNotOptimize(block);
    std::free(block);
  }
}
BENCHMARK(standard_allocator)->ThreadRange(1, 16)->UseRealTime();

#ifdef HEADRACE_BENCH_MIMALLOC
void mimalloc(benchmark::State& state) {
  for (auto _ : state) {
    void* block = mi_malloc(kSize);
    benchmark::DoNotOptimize(block);
    mi_free(block);
  }
}
BENCHMARK(mimalloc)->ThreadRange(1, 16)->UseRealTime();
#endif

}  // namespace
