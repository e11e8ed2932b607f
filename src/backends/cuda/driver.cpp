// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/driver.h"

#include <fmt/format.h>

#include <dlfcn.h>
#include <memory>

namespace headrace::cuda {

namespace {

template <class Call>
bool load_one(PFN_cuGetProcAddress_v12000 find, const char* name, int version, Call& call) {
  void* found = nullptr;
  const CUresult result = find(name, &found, version, CU_GET_PROC_ADDRESS_LEGACY_STREAM, nullptr);
  call = reinterpret_cast<Call>(found);
  return result == CUDA_SUCCESS && found != nullptr;
}

/// Finds every call of the table. \returns False when one is missing.
bool load(PFN_cuGetProcAddress_v12000 find, Driver& driver) {
  bool has_all = true;
#define HEADRACE_CUDA_LOAD(name, version) \
  has_all = has_all && load_one(find, #name, version, driver.name);
  HEADRACE_CUDA_CALLS(HEADRACE_CUDA_LOAD)
#undef HEADRACE_CUDA_LOAD
  return has_all;
}

/// Whether the driver runs what this toolkit compiled: it is of the same major version or later.
bool is_new_enough(const Driver& driver) {
  int version = 0;
  return driver.cuDriverGetVersion(&version) == CUDA_SUCCESS &&
         version >= CUDA_VERSION / 1000 * 1000;
}

const Driver* open() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return nullptr;
  }
  const auto find =
      reinterpret_cast<PFN_cuGetProcAddress_v12000>(dlsym(library, "cuGetProcAddress_v2"));
  auto driver = std::make_unique<Driver>();
  if (find == nullptr || !load(find, *driver) || !is_new_enough(*driver) ||
      driver->cuInit(0) != CUDA_SUCCESS) {
    dlclose(library);
    return nullptr;
  }
  return driver.release();  // For the life of the process, as the library.
}

}  // namespace

const Driver* Driver::find() {
  static const Driver* const found = open();
  return found;
}

std::string Driver::text_of(CUresult result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS ||
      cuGetErrorString(result, &text) != CUDA_SUCCESS) {
    return fmt::format("error {}", static_cast<int>(result));
  }
  return fmt::format("{} ({})", text, name);
}

bool is_fatal(CUresult result) noexcept {
  switch (result) {
    case CUDA_ERROR_CONTAINED:
    case CUDA_ERROR_EXTERNAL_DEVICE:
    case CUDA_ERROR_MPS_CLIENT_TERMINATED:
    case CUDA_ERROR_TENSOR_MEMORY_LEAK:
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_UNKNOWN:
      return true;
    default:
      return false;
  }
}

ErrorCode code_of(CUresult result) noexcept {
  if (is_fatal(result)) {
    return ErrorCode::device_lost;
  }
  switch (result) {
    case CUDA_ERROR_OUT_OF_MEMORY:
      return ErrorCode::out_of_memory;
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_NOT_SUPPORTED:
      return ErrorCode::unsupported;
    case CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED:
    case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
    case CUDA_ERROR_STREAM_CAPTURE_MERGE:
    case CUDA_ERROR_STREAM_CAPTURE_UNMATCHED:
    case CUDA_ERROR_STREAM_CAPTURE_UNJOINED:
    case CUDA_ERROR_STREAM_CAPTURE_ISOLATION:
    case CUDA_ERROR_STREAM_CAPTURE_IMPLICIT:
    case CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD:
      return ErrorCode::invalid_argument;
    default:
      return ErrorCode::internal;
  }
}

}  // namespace headrace::cuda
