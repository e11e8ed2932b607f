// SPDX-License-Identifier: Apache-2.0
// Modules and functions, and launches of kernels.
#include "fake_cuda/kernel.h"

#include "backends/cuda/fat_binaries.h"
#include "fake_cuda/capture.h"
#include "fake_cuda/context.h"
#include "fake_cuda/entries.h"
#include "fake_cuda/handles.h"
#include "fake_cuda/kernel_table.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/stream.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace headrace::fake_cuda {

namespace {

struct Module {
  std::shared_ptr<Context> context;
  std::string name;
  std::map<std::string, CUfunction> functions;
};

Handles<CUmodule, Module>& modules() {
  static auto* const kModules = new Handles<CUmodule, Module>;
  return *kModules;
}

Handles<CUfunction, Function>& functions() {
  static auto* const kFunctions = new Handles<CUfunction, Function>;
  return *kFunctions;
}

/// How a fat binary begins.
struct FatHeader {
  std::uint32_t magic;
  std::uint16_t version;
  std::uint16_t header_bytes;
  std::uint64_t bytes;
};
constexpr std::uint32_t kFatMagic = 0xba55ed50;

/// The name under which the library holds the fat binary `image`; empty when it does not.
std::string_view name_of(const void* image) {
  FatHeader header{};
  std::memcpy(&header, image, sizeof(header));
  if (header.magic != kFatMagic) {
    return {};
  }
  for (const cuda::FatBinary& binary : cuda::fat_binaries()) {
    if (std::memcmp(binary.code, &header, sizeof(header)) == 0 &&
        std::memcmp(binary.code, image, header.header_bytes + header.bytes) == 0) {
      return binary.name;
    }
  }
  return {};
}

void drop_functions_of(const Module& module) {
  for (const auto& [name, handle] : module.functions) {
    functions().remove(handle);
  }
}

}  // namespace

CUresult describe_launch(const CUDA_KERNEL_NODE_PARAMS& from, KernelLaunch& launch) {
  const auto function = functions().find(from.func);
  if (!function) {
    violate("a kernel was launched that does not exist");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  constexpr unsigned kMostThreads = 1024;
  constexpr unsigned kMostBlocks = 0x7fffffff;
  if (from.gridDimX == 0 || from.gridDimX > kMostBlocks || from.blockDimX == 0 ||
      from.blockDimX > kMostThreads || from.kernelParams == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (from.gridDimY != 1 || from.gridDimZ != 1 || from.blockDimY != 1 || from.blockDimZ != 1 ||
      from.extra != nullptr || from.sharedMemBytes != 0) {
    violate("the fake launches kernels of one dimension alone");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  launch.function = function;
  launch.blocks = from.gridDimX;
  launch.threads = from.blockDimX;
  launch.arguments.resize(function->parameters);
  for (std::size_t i = 0; i < function->parameters; ++i) {
    std::memcpy(&launch.arguments[i], from.kernelParams[i], sizeof(std::uint64_t));
  }
  return CUDA_SUCCESS;
}

int live_modules() {
  return modules().size();
}

void drop_modules_of(const Context& context) {
  functions().remove_if(
      [&](const Function& function) { return function.context.get() == &context; });
  modules().remove_if([&](const Module& module) { return module.context.get() == &context; });
}

CUresult fake_cuModuleLoadData(CUmodule* handle, const void* image) {
  const auto context = current();
  if (const CUresult result = may_call_unsafe(); result != CUDA_SUCCESS) {
    return result;
  }
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  auto module = std::make_shared<Module>();
  module->context = context;
  module->name = name_of(image);
  if (module->name.empty()) {
    return CUDA_ERROR_INVALID_IMAGE;
  }
  *handle = modules().add(std::move(module));
  return CUDA_SUCCESS;
}

CUresult fake_cuModuleUnload(CUmodule handle) {
  const auto module = modules().find(handle);
  if (!module) {
    violate("a module was unloaded that does not exist");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (const CUresult result = state_of(module->context); result != CUDA_SUCCESS) {
    return result;
  }
  drop_functions_of(*module);
  modules().remove(handle);
  return CUDA_SUCCESS;
}

CUresult fake_cuModuleGetFunction(CUfunction* handle, CUmodule module_handle, const char* name) {
  const auto module = modules().find(module_handle);
  if (!module) {
    violate("a function was asked of a module that does not exist");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (const CUresult result = state_of(module->context); result != CUDA_SUCCESS) {
    return result;
  }
  if (const auto known = module->functions.find(name); known != module->functions.end()) {
    *handle = known->second;
    return CUDA_SUCCESS;
  }
  std::optional<Kernel> kernel = find_kernel(module->name, name);
  if (!kernel) {
    return CUDA_ERROR_NOT_FOUND;
  }
  auto function = std::make_shared<Function>();
  function->context = module->context;
  function->name = module->name + "." + name;
  function->parameters = kernel->parameters;
  function->prepare = std::move(kernel->prepare);
  *handle = functions().add(std::move(function));
  module->functions.emplace(name, *handle);
  return CUDA_SUCCESS;
}

CUresult fake_cuLaunchKernel(CUfunction function,
                             unsigned blocks_x,
                             unsigned blocks_y,
                             unsigned blocks_z,
                             unsigned threads_x,
                             unsigned threads_y,
                             unsigned threads_z,
                             unsigned shared_bytes,
                             CUstream stream,
                             void** arguments,
                             void** extra) {
  CUDA_KERNEL_NODE_PARAMS parameters{};
  parameters.func = function;
  parameters.gridDimX = blocks_x;
  parameters.gridDimY = blocks_y;
  parameters.gridDimZ = blocks_z;
  parameters.blockDimX = threads_x;
  parameters.blockDimY = threads_y;
  parameters.blockDimZ = threads_z;
  parameters.sharedMemBytes = shared_bytes;
  parameters.kernelParams = arguments;
  parameters.extra = extra;
  KernelLaunch launch;
  if (const CUresult result = describe_launch(parameters, launch); result != CUDA_SUCCESS) {
    return result;
  }
  if (launch.function->context != current()) {
    violate("a kernel of another context was launched");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return issue(stream, std::move(launch));
}

}  // namespace headrace::fake_cuda
