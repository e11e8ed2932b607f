// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device_type.h"
#include "headrace/export.h"
#include "headrace/native_handle.h"
#include "headrace/stream.h"

#include <cstddef>

namespace headrace {

namespace core {
class Block;
struct BufferAccess;
}  // namespace core

/// Device memory taken from a pool; goes back to it when destroyed.
///
/// Move-only. Order: memory may be used at once by work on the stream it was taken for. When it
/// goes back it counts as used by that stream's work so far, and by every stream given to
/// `record_use`. Life: may outlive the pool or manager it came from. Threads: one thread at a time.
class HEADRACE_EXPORT Buffer {
 public:
  /// No buffer.
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (block_ != nullptr) {
      reset();
    }
  }

  /// Bytes asked for.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Bytes there are, at least `size()`. Use those asked for: a tool that checks memory takes the
  /// rest for nobody's.
  [[nodiscard]] std::size_t capacity() const noexcept;

  [[nodiscard]] DeviceType device_type() const noexcept;

  /// Address or buffer object, for work of the caller's own; `HandleKind::none` when it holds
  /// nothing.
  [[nodiscard]] NativeHandle native_handle() const noexcept;

  /// Where the host sees the memory: `cpu` memory always, other kinds where the device's memory is
  /// unified. `cpu` memory may be written at once; other kinds only after the stream they were
  /// taken for is synchronised, for earlier work on it may still be using them.
  ///
  /// \returns null for an empty buffer.
  /// \throws Error  `unsupported` when the host cannot see this memory.
  [[nodiscard]] void* data() const;

  /// Says that work submitted to `stream` so far uses the memory.
  ///
  /// \throws Error  `invalid_argument` when `stream` is of another device that this one does not
  ///                reach; `device_lost`.
  void record_use(const Stream& stream) const;

  /// Gives the memory back; afterwards this holds nothing.
  void reset() noexcept;

  /// False when default-made, moved from or reset; true also for a buffer of zero bytes.
  explicit operator bool() const noexcept { return block_ != nullptr; }

 private:
  friend struct core::BufferAccess;
  core::Block* block_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace headrace
