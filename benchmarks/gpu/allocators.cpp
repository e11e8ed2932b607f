// SPDX-License-Identifier: Apache-2.0
// The pools that people use on NVIDIA GPUs, and Headrace's on `host`, in one run: wall time per
// pair of a take and a return, 4 KiB, in 1 to 16 threads that share one pool and each have a
// stream.
//
// Not part of the build, for it needs what is measured. See README.md for the commands.
#include "headrace/headrace.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#ifdef WITH_RMM
#include <rmm/mr/arena_memory_resource.hpp>
#include <rmm/mr/cuda_memory_resource.hpp>
#include <rmm/mr/pool_memory_resource.hpp>
#endif
#ifdef WITH_TORCH
#include <c10/cuda/CUDACachingAllocator.h>
#endif

namespace {

constexpr std::size_t kSize = 4096;

/// Median of five rounds, in nanoseconds a pair. `make_pair` gives a thread what runs one pair.
template <class MakePair>
double measure(int threads, int pairs, const MakePair& make_pair) {
  std::vector<double> rounds;
  for (int round = 0; round < 5; ++round) {
    std::barrier start(threads + 1);
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&] {
        auto pair = make_pair();
        for (int warm = 0; warm < 100; ++warm) {
          pair();
        }
        start.arrive_and_wait();
        for (int n = 0; n < pairs; ++n) {
          pair();
        }
      });
    }
    start.arrive_and_wait();
    const auto begin = std::chrono::steady_clock::now();
    for (std::thread& thread : all) {
      thread.join();
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    rounds.push_back(took.count() / pairs / threads);
  }
  std::sort(rounds.begin(), rounds.end());
  return rounds[rounds.size() / 2];
}

template <class MakePair>
void row(const char* name, int pairs, const MakePair& make_pair) {
  std::printf("%-32s", name);
  for (const int threads : {1, 2, 4, 8, 16}) {
    std::printf(" %10.1f", measure(threads, pairs / threads, make_pair));
    std::fflush(stdout);
  }
  std::printf("\n");
}

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  return stream;
}

#ifdef WITH_RMM
template <class Resource>
void rmm_row(const char* name, Resource& resource) {
  row(name, 400'000, [&] {
    return [&resource, stream = new_stream()] {
      const cuda::stream_ref view(stream);
      void* block = resource.allocate(view, kSize, 256);
      resource.deallocate(view, block, kSize, 256);
    };
  });
}
#endif

}  // namespace

int main() {
  std::printf("%-32s %10d %10d %10d %10d %10d\n", "ns a pair, threads:", 1, 2, 4, 8, 16);
  const headrace::Device device = headrace::open_device("cuda:0");
  headrace::MemoryManager manager(device);
  const headrace::Stream shared = device.make_stream();
  row("headrace, one stream", 40'000'000, [&] {
    return [&] { manager.get_buffer(kSize, headrace::DeviceType::gpu, shared).reset(); };
  });
  row("headrace, a stream each", 40'000'000, [&] {
    return [&manager, stream = device.make_stream()] {
      manager.get_buffer(kSize, headrace::DeviceType::gpu, stream).reset();
    };
  });
  cudaMemPool_t pool = nullptr;
  cudaDeviceGetDefaultMemPool(&pool, 0);
  std::uint64_t threshold = UINT64_MAX;
  cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold);
  row("cudaMallocAsync", 200'000, [] {
    return [stream = new_stream()] {
      void* block = nullptr;
      cudaMallocAsync(&block, kSize, stream);
      cudaFreeAsync(block, stream);
    };
  });
#ifdef WITH_RMM
  rmm::mr::pool_memory_resource rmm_pool{rmm::mr::cuda_memory_resource{}, std::size_t{1} << 30};
  rmm_row("rmm pool", rmm_pool);
  rmm::mr::arena_memory_resource rmm_arena{rmm::mr::cuda_memory_resource{}, std::size_t{1} << 30};
  rmm_row("rmm arena", rmm_arena);
#endif
#ifdef WITH_TORCH
  c10::cuda::CUDACachingAllocator::init(1);
  row("pytorch caching allocator", 2'000'000, [] {
    return [stream = new_stream()] {
      void* block = c10::cuda::CUDACachingAllocator::raw_alloc_with_stream(kSize, stream);
      c10::cuda::CUDACachingAllocator::raw_delete(block);
    };
  });
#endif
  cudaDeviceSynchronize();
}
