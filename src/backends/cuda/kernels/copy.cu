// SPDX-License-Identifier: Apache-2.0
// Copies between aligned places of the device's memory: as fast as the driver's, and in a graph
// half as fast again, whose copy node goes through an engine that the multiprocessors outdo.
#include "backends/cuda/geometry.h"
#include "backends/cuda/kernels/element_io.cuh"

extern "C" __global__ void __launch_bounds__(headrace::cuda::kThreads)
    copy_16_bytes(const uint4* source, uint4* target, headrace::cuda::Count pieces) {
  using headrace::cuda::Count;
  using headrace::cuda::kPiecesAThread;
  const Count first = static_cast<Count>(blockIdx.x) * blockDim.x * kPiecesAThread + threadIdx.x;
  uint4 held[kPiecesAThread];
#pragma unroll
  for (int k = 0; k < kPiecesAThread; ++k) {
    const Count i = first + static_cast<Count>(k) * blockDim.x;
    if (i < pieces) {
      held[k] = source[i];
    }
  }
#pragma unroll
  for (int k = 0; k < kPiecesAThread; ++k) {
    const Count i = first + static_cast<Count>(k) * blockDim.x;
    if (i < pieces) {
      target[i] = held[k];
    }
  }
}
