// SPDX-License-Identifier: Apache-2.0
#include "headrace/capture_scope.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/memory_pool.h"

#include <utility>

namespace headrace {

CaptureScope::CaptureScope(MemoryManager manager, Stream stream)
    : manager_(std::move(manager)), stream_(std::move(stream)) {
  capture_ = core::made(core::ManagerAccess::pool(manager_)).begin_capture(stream_);
}

CaptureScope::CaptureScope(CaptureScope&& other) noexcept = default;

CaptureScope& CaptureScope::operator=(CaptureScope&& other) noexcept {
  if (this != &other) {
    end();
    manager_ = std::move(other.manager_);
    stream_ = std::move(other.stream_);
    capture_ = std::move(other.capture_);
  }
  return *this;
}

CaptureScope::~CaptureScope() {
  end();
}

void CaptureScope::end_capture() noexcept {
  if (capture_) {
    core::ManagerAccess::pool(manager_)->end_capture(*capture_);
  }
}

void CaptureScope::keep(const Buffer& buffer) {
  core::made(core::ManagerAccess::pool(manager_)).keep(buffer, capture_);
}

void CaptureScope::record_use(const Stream& stream) {
  core::made(core::ManagerAccess::pool(manager_)).record_use(*capture_, stream);
}

std::size_t CaptureScope::kept_bytes() const {
  return core::made(core::ManagerAccess::pool(manager_)).kept_bytes(*capture_);
}

void CaptureScope::end() noexcept {
  if (capture_) {
    core::ManagerAccess::pool(manager_)->end_scope(*std::exchange(capture_, nullptr));
  }
}

}  // namespace headrace
