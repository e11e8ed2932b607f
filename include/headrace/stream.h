// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/completion.h"
#include "headrace/export.h"
#include "headrace/native_handle.h"

#include <cstdint>
#include <memory>

namespace headrace {

namespace core {
class StreamLease;
class StreamState;
struct StreamAccess;
}  // namespace core

/// A sequence of work on one device: what is submitted runs in order.
///
/// A cheap shared value. `Stream{}` stands for the default stream of the device that a call is
/// about. When the last copy goes, work already submitted still runs.
/// Threads: safe from any thread; work submitted by two threads at once runs in either order.
class HEADRACE_EXPORT Stream {
 public:
  /// The default stream of whatever device it is used with.
  Stream() = default;

  /// Number of this stream, never used again for another; 0 for `Stream{}`.
  [[nodiscard]] std::uint64_t id() const noexcept;

  /// Waits until all work submitted before is done.
  ///
  /// \throws Error  `device_lost`; `invalid_argument` for `Stream{}`, which names no device, and
  ///                while the stream takes no markers (see CaptureScope).
  void synchronize() const;

  /// Makes work submitted later wait, on the device, for `completion`. The host does not wait.
  ///
  /// \throws Error  `invalid_argument` for `Stream{}`, for one that is being captured, and for work
  ///                of another device that this one does not reach; `device_lost`.
  void wait_for(const Completion& completion) const;

  /// The stream in the API below, for work of the caller's own. Inside `CommandBuffer::launch`, the
  /// handle that records.
  [[nodiscard]] NativeHandle native_handle() const;

  /// False for `Stream{}`.
  explicit operator bool() const noexcept { return lease_ != nullptr; }
  friend bool operator==(const Stream& a, const Stream& b) noexcept { return a.id() == b.id(); }

 private:
  friend struct core::StreamAccess;
  std::shared_ptr<core::StreamLease> lease_;
  NativeHandle recording_;
};

}  // namespace headrace
