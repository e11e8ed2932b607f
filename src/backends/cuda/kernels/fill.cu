// SPDX-License-Identifier: Apache-2.0
// Fills with elements of 8 bytes, which the driver has no call for.
#include "backends/cuda/geometry.h"
#include "backends/cuda/kernels/element_io.cuh"

extern "C" __global__ void __launch_bounds__(headrace::cuda::kThreads)
    fill_8_bytes(std::uint64_t* target, std::uint64_t pattern, headrace::cuda::Count count) {
  for (auto i = headrace::cuda::thread_index(); i < count; i += headrace::cuda::thread_count()) {
    headrace::cuda::store(target + i, pattern);
  }
}
