// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fake_cuda/work.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace headrace::fake_cuda {

struct Context;

/// A kernel, looked up in a module of a context.
struct Function {
  std::shared_ptr<Context> context;
  std::string name;            ///< "convert_uint8.to_float32"
  std::size_t parameters = 0;  ///< Each of 64 bits.
  std::function<std::function<void()>(const KernelLaunch&)> prepare;
};

/// A launch as a program describes it. \returns Why it cannot be, or success.
CUresult describe_launch(const CUDA_KERNEL_NODE_PARAMS& parameters, KernelLaunch& launch);

int live_modules();
void drop_modules_of(const Context& context);

}  // namespace headrace::fake_cuda
