// SPDX-License-Identifier: Apache-2.0
// Copies of 256 MiB from one GPU to another: Tensor::copy_from beside the runtime's own copy,
// medians of interleaved rounds, both ways.
//
// Not part of the build, for it needs CUDA's compiler. See ../README.md for the command.
#include "headrace/headrace.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

namespace {

using namespace headrace;

constexpr std::int64_t kBytes = std::int64_t{256} << 20;
constexpr int kRounds = 21;

void check(cudaError_t result) {
  if (result != cudaSuccess) {
    std::printf("%s\n", cudaGetErrorString(result));
    std::exit(1);
  }
}

double gigabytes_per_second(const std::function<void()>& copy) {
  const auto begin = std::chrono::steady_clock::now();
  copy();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return kBytes / took.count() / 1e9;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void compare(int from, int to) {
  const Device source_device = open_device("cuda:" + std::to_string(from));
  const Device target_device = open_device("cuda:" + std::to_string(to));
  const Tensor source(MemoryManager(source_device), {kBytes}, DataType::uint8);
  Tensor target(MemoryManager(target_device), {kBytes}, DataType::uint8);
  const Stream stream = target_device.make_stream();
  void* bare_source = nullptr;
  void* bare_target = nullptr;
  check(cudaSetDevice(from));
  check(cudaMalloc(&bare_source, kBytes));
  check(cudaSetDevice(to));
  check(cudaMalloc(&bare_target, kBytes));
  std::vector<double> ours;
  std::vector<double> bare;
  for (int round = -2; round < kRounds; ++round) {
    const double here = gigabytes_per_second([&] {
      target.copy_from(source, stream);
      stream.synchronize();
    });
    const double there = gigabytes_per_second([&] {
      check(cudaMemcpyPeerAsync(bare_target, to, bare_source, from, kBytes));
      check(cudaDeviceSynchronize());
    });
    if (round >= 0) {
      ours.push_back(here);
      bare.push_back(there);
    }
  }
  std::printf("cuda:%d to cuda:%d  %.1f GB/s, the runtime's own copy %.1f, %.2f\n",
              from,
              to,
              median(ours),
              median(bare),
              median(ours) / median(bare));
}

}  // namespace

int main() {
  int devices = 0;
  check(cudaGetDeviceCount(&devices));
  if (devices < 2) {
    std::printf("one GPU is here; two are needed\n");
    return 0;
  }
  compare(0, 1);
  compare(1, 0);
}
