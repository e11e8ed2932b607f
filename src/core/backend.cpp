// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"

#include "headrace/error.h"

#include <utility>

namespace headrace {

Backend::~Backend() = default;
BackendDevice::~BackendDevice() = default;
BackendStream::~BackendStream() = default;
SubAllocationObserver::~SubAllocationObserver() = default;

std::shared_ptr<BackendStream> BackendDevice::adopt_stream(NativeHandle) {
  throw Error(ErrorCode::unsupported,
              "Streams made by other code cannot be adopted on " + info().spec + ".");
}

MemoryBlock BackendDevice::register_host(std::byte*, std::size_t size, HostAccess) {
  throw Error(ErrorCode::unsupported,
              "Host memory cannot be registered with " + info().spec + ", asked for " +
                  std::to_string(size) + " bytes; staged copies serve every device.");
}

void BackendDevice::unregister_host(const MemoryBlock&) noexcept {}

void Outcome::fail(std::exception_ptr error) noexcept {
  const std::scoped_lock lock(mutex_);
  if (!error_) {
    error_ = std::move(error);
  }
}

std::exception_ptr Outcome::error() const noexcept {
  const std::scoped_lock lock(mutex_);
  return error_;
}

}  // namespace headrace
