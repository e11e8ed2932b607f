// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/device.h"

#include "headrace/error.h"

#include "backends/cuda/stream.h"

#include <fmt/format.h>

namespace headrace::cuda {

namespace {
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kGranularity = std::size_t{2} << 20;  // What the driver maps at a time.
}  // namespace

DeviceCaps Device::caps() const {
  return {.unified_memory = false, .alignment = kAlignment, .granularity = kGranularity};
}

MemoryBlock Device::allocate(DeviceType device_type, std::size_t size) {
  context_->require_alive();
  const Entered entered(*context_);
  const Driver& driver = context_->driver();
  MemoryBlock block;
  block.size = size;
  if (device_type == DeviceType::cpu) {
    void* memory = nullptr;
    const CUresult result = driver.cuMemHostAlloc(&memory, size, CU_MEMHOSTALLOC_PORTABLE);
    if (result != CUDA_SUCCESS) {
      fail_to_allocate(result, device_type, size);
    }
    block.host = static_cast<std::byte*>(memory);
    block.handle = reinterpret_cast<std::uint64_t>(memory);
    return block;
  }
  CUdeviceptr memory = 0;
  if (const CUresult result = driver.cuMemAlloc(&memory, size); result != CUDA_SUCCESS) {
    fail_to_allocate(result, device_type, size);
  }
  block.handle = memory;
  return block;
}

void Device::fail_to_allocate(CUresult result, DeviceType device_type, std::size_t size) {
  const bool is_pinned = device_type == DeviceType::cpu;
  if (result != CUDA_ERROR_OUT_OF_MEMORY) {
    context_->fail(result, is_pinned ? "cuMemHostAlloc" : "cuMemAlloc");
  }
  if (is_pinned) {
    throw Error(ErrorCode::out_of_memory,
                fmt::format("The host has no {} bytes of page-locked memory left for {}.",
                            size,
                            context_->info().spec));
  }
  std::size_t free = 0;
  std::size_t total = 0;
  context_->driver().cuMemGetInfo(&free, &total);
  throw Error(
      ErrorCode::out_of_memory,
      fmt::format(
          "{} has no {} bytes left: {} of {} are free.", context_->info().spec, size, free, total));
}

// On a lost device both calls fail, and the memory is gone all the same.
void Device::release(const MemoryBlock& block) noexcept {
  const Entered entered(*context_);
  if (NvtxMemory* told = context_->nvtx_memory()) {
    told->forget(block);
  }
  if (block.host != nullptr) {
    context_->driver().cuMemFreeHost(block.host);
  } else {
    context_->driver().cuMemFree(block.handle);
  }
}

MemoryBlock Device::register_host(std::byte* memory, std::size_t size, HostAccess access) {
  context_->require_alive();
  const Entered entered(*context_);
  const auto page_lock = [&](unsigned flags) {
    return context_->driver().cuMemHostRegister(memory, size, CU_MEMHOSTREGISTER_PORTABLE | flags);
  };
  const bool is_read_only = access == HostAccess::read_only;
  CUresult result = page_lock(is_read_only ? CU_MEMHOSTREGISTER_READ_ONLY : 0);
  if (is_read_only && result == CUDA_ERROR_NOT_SUPPORTED) {
    result = page_lock(0);  // As fast; but pages that the host may not write it refuses.
    if (result == CUDA_ERROR_INVALID_VALUE) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("The {} bytes at {} cannot be registered with {}: it takes no memory "
                              "that is mapped read-only.",
                              size,
                              fmt::ptr(memory),
                              context_->info().spec));
    }
  }
  if (result != CUDA_SUCCESS) {
    fail_to_register(result, {memory, size});
  }
  return {reinterpret_cast<std::uint64_t>(memory), memory, size, HandleKind::pointer};
}

void Device::fail_to_register(CUresult result, std::span<const std::byte> memory) {
  ErrorCode code = ErrorCode::invalid_argument;
  std::string_view reason;
  switch (result) {
    case CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED:
      reason =
          "a part of them is page-locked already, by other code of this process or for another "
          "device";
      break;
    case CUDA_ERROR_INVALID_VALUE:
      reason = "not all of them are mapped, or they are mapped read-only and to be written";
      break;
    case CUDA_ERROR_OUT_OF_MEMORY:
      code = ErrorCode::out_of_memory;
      reason = "the system locks no more memory";
      break;
    default:
      context_->fail(result, "cuMemHostRegister");
  }
  throw Error(code,
              fmt::format("The {} bytes at {} cannot be registered with {}: {}.",
                          memory.size(),
                          fmt::ptr(memory.data()),
                          context_->info().spec,
                          reason));
}

// On a lost device the call fails, and nothing is locked all the same.
void Device::unregister_host(const MemoryBlock& block) noexcept {
  const Entered entered(*context_);
  context_->driver().cuMemHostUnregister(block.host);
}

std::shared_ptr<BackendStream> Device::default_stream() {
  return std::make_shared<Stream>(context_, CU_STREAM_LEGACY, Stream::Kind::default_stream);
}

std::shared_ptr<BackendStream> Device::make_stream() {
  return Stream::make(context_);
}

std::shared_ptr<BackendStream> Device::adopt_stream(NativeHandle handle) {
  context_->require_alive();
  auto* stream = handle.as_pointer<CUstream_st>();
  if (handle.kind != HandleKind::stream) {
    throw Error(ErrorCode::invalid_argument, "The handle to adopt is not that of a stream.");
  }
  if (stream == nullptr) {
    stream = CU_STREAM_LEGACY;
  }
  if (stream == CU_STREAM_PER_THREAD) {
    throw Error(ErrorCode::invalid_argument,
                "cudaStreamPerThread names another stream in every thread, so it cannot be "
                "adopted; make a stream and adopt that.");
  }
  if (stream != CU_STREAM_LEGACY) {
    const Entered entered(*context_);
    CUcontext owner = nullptr;
    const CUresult result = context_->driver().cuStreamGetCtx(stream, &owner);
    if (result == CUDA_ERROR_INVALID_HANDLE || result == CUDA_ERROR_INVALID_CONTEXT ||
        result == CUDA_ERROR_CONTEXT_IS_DESTROYED) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("The handle to adopt names no stream of {}: {}.",
                              context_->info().spec,
                              context_->driver().text_of(result)));
    }
    context_->check(result, "cuStreamGetCtx");
    if (owner != context_->handle()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("The stream to adopt is not one of {}'s primary context.",
                              context_->info().spec));
    }
  }
  return std::make_shared<Stream>(context_, stream, Stream::Kind::adopted);
}

bool Device::reaches(const BackendDevice& other) const {
  return dynamic_cast<const Device*>(&other) != nullptr;
}

}  // namespace headrace::cuda
