// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/calls.h"

#include <cudaTypedefs.h>

#include <type_traits>

// The calls of the driver: those that the backend makes and one that tests make.
#define HEADRACE_FAKE_CUDA_CALLS(CALL) \
  HEADRACE_CUDA_CALLS(CALL)            \
  CALL(cuLaunchHostFunc, 10000)

namespace headrace::fake_cuda {

// fake_cuMemAlloc and so on, with the types that CUDA's headers give them. The lock is held.
#define HEADRACE_FAKE_CUDA_DECLARE(name, version) \
  std::remove_pointer_t<PFN_##name##_v##version> fake_##name;
HEADRACE_FAKE_CUDA_CALLS(HEADRACE_FAKE_CUDA_DECLARE)
#undef HEADRACE_FAKE_CUDA_DECLARE

}  // namespace headrace::fake_cuda
