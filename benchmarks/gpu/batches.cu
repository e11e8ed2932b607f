// SPDX-License-Identifier: Apache-2.0
// Batches of 64 copies of 64 KiB on the device, one after another: as one submission of a
// CommandBufferPool, beside a bare CUDA graph of as many copy kernels and beside 64 launches; from
// the call until the device is done, medians of interleaved rounds.
//
// Not part of the build, for it needs CUDA's compiler. See README.md for the command.
#include "headrace/headrace.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

namespace {

using namespace headrace;

constexpr int kOperations = 64;
constexpr std::int64_t kBytes = 64 << 10;
constexpr int kRounds = 300;

__global__ void copy(const uint4* from, uint4* to) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  to[i] = from[i];
}

void check(cudaError_t result) {
  if (result != cudaSuccess) {
    std::printf("%s\n", cudaGetErrorString(result));
    std::exit(1);
  }
}

struct Contender {
  const char* name;
  std::function<void()> run;
  std::vector<double> microseconds = {};
};

/// The memory that the batch of one round works on.
struct Memory {
  std::vector<Tensor> from;
  std::vector<Tensor> to;
};

Memory make_memory(const MemoryManager& manager) {
  Memory memory;
  for (int i = 0; i < kOperations; ++i) {
    memory.from.emplace_back(manager, Shape{kBytes}, DataType::uint8);
    memory.to.emplace_back(manager, Shape{kBytes}, DataType::uint8);
  }
  return memory;
}

void run_batch(CommandBufferPool& pool, const Memory& memory) {
  CommandBuffer commands = pool.get_buffer();
  for (int i = 0; i < kOperations; ++i) {
    commands.copy(memory.from[i], memory.to[i]);
  }
  pool.execute_async(std::move(commands)).wait();
}

void launch(cudaStream_t stream, const Memory& memory) {
  for (int i = 0; i < kOperations; ++i) {
    copy<<<kBytes / sizeof(uint4) / 256, 256, 0, stream>>>(
        memory.from[i].native_handle().as_pointer<uint4>(),
        memory.to[i].native_handle().as_pointer<uint4>());
  }
}

}  // namespace

int main() {
  const Device device = open_device("cuda:0");
  const MemoryManager manager(device);
  const Memory one = make_memory(manager);
  const Memory other = make_memory(manager);
  CommandBufferPool pool(device.make_stream(), 4);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  launch(stream, one);
  check(cudaStreamEndCapture(stream, &graph));
  check(cudaGraphInstantiate(&exec, graph, 0));

  bool is_other = false;
  std::vector<Contender> all{
      {"bare graph",
       [&] {
         check(cudaGraphLaunch(exec, stream));
         check(cudaStreamSynchronize(stream));
       }},
      {"64 launches",
       [&] {
         launch(stream, one);
         check(cudaStreamSynchronize(stream));
       }},
      {"headrace, the same tensors", [&] { run_batch(pool, one); }},
      {"headrace, other tensors each time",
       [&] {
         is_other = !is_other;
         run_batch(pool, is_other ? other : one);
       }},
  };
  for (int round = -20; round < kRounds; ++round) {
    for (Contender& contender : all) {
      const auto begin = std::chrono::steady_clock::now();
      contender.run();
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begin;
      if (round >= 0) {
        contender.microseconds.push_back(took.count());
      }
    }
  }
  double bare = 0;
  for (Contender& contender : all) {
    std::sort(contender.microseconds.begin(), contender.microseconds.end());
    const double median = contender.microseconds[kRounds / 2];
    bare = bare == 0 ? median : bare;
    std::printf("%-36s %8.1f us  %5.2f\n", contender.name, median, median / bare);
  }
}
