// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/error.h"

#include "backends/cuda/calls.h"

#include <string>

namespace headrace::cuda {

/// The calls of the CUDA driver, found at run time. They keep the driver's own names.
struct Driver {
#define HEADRACE_CUDA_MEMBER(name, version) PFN_##name##_v##version name = nullptr;
  HEADRACE_CUDA_CALLS(HEADRACE_CUDA_MEMBER)
#undef HEADRACE_CUDA_MEMBER

  /// The driver of this machine, initialised; null when there is none, it is too old for what this
  /// library was built with, or it refuses to start. It is looked for once in a process. Threads:
  /// safe from any thread.
  static const Driver* find();

  /// "out of memory (CUDA_ERROR_OUT_OF_MEMORY)".
  [[nodiscard]] std::string text_of(CUresult result) const;
};

/// Whether a context that reported `result` can do no more work.
bool is_fatal(CUresult result) noexcept;

/// The code that an error of the driver's is reported under.
ErrorCode code_of(CUresult result) noexcept;

}  // namespace headrace::cuda
