// SPDX-License-Identifier: Apache-2.0
// Taking and giving back memory: Headrace's manager beside its peers in the same run, in four ways
// of use. Times are wall time per pair of a take and a return, over all threads.
#include "pool_peers.h"

#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kSize = 4096;

template <class Pool>
Pool& shared_pool() {
  static auto* pool = new Pool;
  return *pool;
}

/// One size, given back at once.
template <class Pool>
void hit(benchmark::State& state) {
  Pool& pool = shared_pool<Pool>();
  for (auto _ : state) {
    typename Pool::Block block = pool.take(kSize);
    benchmark::DoNotOptimize(block);
    pool.give(std::move(block));
  }
}

/// 256 bytes to 512 KiB and a little more; a number of blocks is held, and any of them is replaced.
template <class Pool>
void mixed(benchmark::State& state) {
  Pool& pool = shared_pool<Pool>();
  const auto live = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(static_cast<unsigned>(state.thread_index()) + 1);
  constexpr std::size_t kPlan = 1 << 14;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> plan;
  for (std::size_t i = 0; i < kPlan; ++i) {
    // Few large ones among many held, so that they fit in memory.
    const unsigned doublings = live > 1000 ? random() % 6 : random() % 12;
    plan.emplace_back(random() % live, (256U << doublings) + random() % 199);
  }
  std::vector<typename Pool::Block> held;
  for (std::size_t i = 0; i < live; ++i) {
    held.push_back(pool.take(plan[i % kPlan].second));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const auto [place, size] = plan[next];
    next = (next + 1) % kPlan;
    pool.give(std::move(held[place]));
    held[place] = pool.take(size);
    benchmark::DoNotOptimize(held[place]);
  }
  for (auto& block : held) {
    pool.give(std::move(block));
  }
}

/// Half of the threads take, each for one of the others, which gives back.
template <class Pool>
void pass_on(benchmark::State& state) {
  constexpr std::size_t kPlaces = 256;
  struct alignas(64) Ring {
    alignas(64) std::atomic<std::size_t> put{0};
    alignas(64) std::atomic<std::size_t> got{0};
    std::array<std::optional<typename Pool::Block>, kPlaces> places;
  };
  static std::array<Ring, 32> rings;
  Pool& pool = shared_pool<Pool>();
  Ring& ring = rings[static_cast<std::size_t>(state.thread_index()) / 2];
  const bool takes = state.thread_index() % 2 == 0;
  for (auto _ : state) {
    if (takes) {
      const std::size_t put = ring.put.load(std::memory_order_relaxed);
      while (put - ring.got.load(std::memory_order_acquire) == kPlaces) {
        std::this_thread::yield();
      }
      ring.places[put % kPlaces].emplace(pool.take(kSize));
      ring.put.store(put + 1, std::memory_order_release);
    } else {
      const std::size_t got = ring.got.load(std::memory_order_relaxed);
      while (ring.put.load(std::memory_order_acquire) == got) {
        std::this_thread::yield();
      }
      pool.give(std::move(*ring.places[got % kPlaces]));
      ring.places[got % kPlaces].reset();
      ring.got.store(got + 1, std::memory_order_release);
    }
  }
}

#define HEADRACE_BENCH_POOL(Pool)                                              \
  BENCHMARK_TEMPLATE(hit, Pool)->ThreadRange(1, 16)->UseRealTime();            \
  BENCHMARK_TEMPLATE(mixed, Pool)->Arg(64)->ThreadRange(1, 16)->UseRealTime(); \
  BENCHMARK_TEMPLATE(mixed, Pool)->Arg(10'000)->UseRealTime();                 \
  BENCHMARK_TEMPLATE(pass_on, Pool)->ThreadRange(2, 16)->UseRealTime()

HEADRACE_BENCH_POOL(peers::Headrace);
HEADRACE_BENCH_POOL(peers::MutexPool);
HEADRACE_BENCH_POOL(peers::BestFitPool);
HEADRACE_BENCH_POOL(peers::Malloc);
#ifdef HEADRACE_BENCH_MIMALLOC
HEADRACE_BENCH_POOL(peers::Mimalloc);
#endif

}  // namespace
