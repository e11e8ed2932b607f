// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::cuda {

PrimaryContext::~PrimaryContext() {
  if (handle_ != nullptr) {
    driver_.cuDevicePrimaryCtxRelease(device_);
  }
}

Context::Context(const Driver& driver, CUdevice device, DeviceInfo info)
    : driver_(driver), device_(device), info_(std::move(info)), primary_(driver, device) {
  check(primary_.retain(), "cuDevicePrimaryCtxRetain");
  const Entered entered(*this);
  std::size_t free = 0;
  std::size_t total = 0;
  check(driver.cuMemGetInfo(&free, &total), "cuMemGetInfo");
  nvtx_memory_ = NvtxMemory::find(*this);
}

Context::~Context() {
  const Entered entered(*this);
  for (CUstream stream : idle_streams_) {
    driver_.cuStreamDestroy(stream);
  }
}

void Context::fail(CUresult result, const char* call) {
  const ErrorCode code = code_of(result);
  note(result);
  throw Error(code, fmt::format("{} failed on {}: {}.", call, info_.spec, driver_.text_of(result)));
}

void Context::require_alive() const {
  if (is_lost()) [[unlikely]] {
    throw Error(ErrorCode::device_lost,
                fmt::format("{} was lost after an earlier error.", info_.spec));
  }
}

bool Context::is_broken() noexcept {
  const Entered entered(*this);
  std::size_t free = 0;
  std::size_t total = 0;
  note(driver_.cuMemGetInfo(&free, &total));
  return is_lost();
}

void Context::open_way_to(const std::shared_ptr<Context>& peer) {
  peer->require_alive();
  const std::scoped_lock lock(peers_mutex_);
  const bool is_known = std::ranges::any_of(peers_, [&peer](const std::weak_ptr<Context>& known) {
    return !known.owner_before(peer) && !peer.owner_before(known);
  });
  if (is_known || peer.get() == this) {
    return;
  }
  std::erase_if(peers_, [](const std::weak_ptr<Context>& known) { return known.expired(); });
  peers_.reserve(peers_.size() + 1);
  enable_access_to(*peer);
  peers_.push_back(peer);
}

void Context::enable_access_to(Context& peer) {
  int can_access = 0;
  check(driver_.cuDeviceCanAccessPeer(&can_access, device_, peer.device_), "cuDeviceCanAccessPeer");
  const CUresult result =
      can_access == 0 ? CUDA_SUCCESS : driver_.cuCtxEnablePeerAccess(peer.handle(), 0);
  if (is_fatal(result) || result == CUDA_ERROR_OUT_OF_MEMORY) {
    check(result, "cuCtxEnablePeerAccess", &peer);
  }
  // Others may have enabled it. Any other refusal, as of more peers than the hardware has room for,
  // is of the direct way alone.
}

CUstream Context::take_stream() {
  {
    const std::scoped_lock lock(mutex_);
    if (!idle_streams_.empty()) {
      CUstream stream = idle_streams_.back();
      idle_streams_.pop_back();
      return stream;
    }
    idle_streams_.reserve(++streams_);  // Giving it back cannot fail.
  }
  CUstream stream = nullptr;
  check(driver_.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  return stream;
}

void Context::give_back(CUstream stream) noexcept {
  const std::scoped_lock lock(mutex_);
  idle_streams_.push_back(stream);
}

Entered::Entered(const Context& context) noexcept : driver_(context.driver()) {
  CUcontext current = nullptr;
  driver_.cuCtxGetCurrent(&current);
  if (current != context.handle()) {
    is_pushed_ = driver_.cuCtxPushCurrent(context.handle()) == CUDA_SUCCESS;
  }
  is_exchanged_ = driver_.cuThreadExchangeStreamCaptureMode(&mode_) == CUDA_SUCCESS;
}

Entered::~Entered() {
  if (is_exchanged_) {
    driver_.cuThreadExchangeStreamCaptureMode(&mode_);
  }
  if (is_pushed_) {
    CUcontext popped = nullptr;
    driver_.cuCtxPopCurrent(&popped);
  }
}

}  // namespace headrace::cuda
