// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/completion.h"
#include "headrace/data_type.h"
#include "headrace/export.h"
#include "headrace/host_registration.h"
#include "headrace/memory_manager.h"
#include "headrace/stats.h"
#include "headrace/tensor.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <span>

namespace headrace {

namespace core {
class StagingPoolState;
struct StagingSlot;
}  // namespace core

/// Host memory that the device copies from; goes back to its pool when destroyed.
///
/// Move-only. Threads: one thread at a time.
class HEADRACE_EXPORT StagingBuffer {
 public:
  StagingBuffer() = default;
  StagingBuffer(StagingBuffer&& other) noexcept = default;
  StagingBuffer& operator=(StagingBuffer&& other) noexcept;
  StagingBuffer(const StagingBuffer&) = delete;
  StagingBuffer& operator=(const StagingBuffer&) = delete;
  ~StagingBuffer();

  /// Memory to write; pinned where the backend can. Null when empty.
  [[nodiscard]] void* data() const noexcept;
  /// Bytes of it; 0 when empty.
  [[nodiscard]] std::size_t size() const noexcept;
  /// The memory as bytes.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept;
  explicit operator bool() const noexcept { return slot_ != nullptr; }

 private:
  friend class core::StagingPoolState;
  std::shared_ptr<core::StagingSlot> slot_;
};

/// Host buffers through which data goes to the device, on a stream of the pool's own.
///
/// A staging buffer is free again only when the copy out of it is done. Threads: safe from any
/// thread. The destructor waits as `cleanup` does.
class HEADRACE_EXPORT StagingBufferPool {
 public:
  /// \param max_buffers  Most staging buffers that may exist, at least 1.
  /// \param buffer_size  Bytes of each, at least 1.
  /// \throws Error  `invalid_argument`.
  StagingBufferPool(MemoryManager manager,
                    std::size_t max_buffers,
                    std::size_t buffer_size = std::size_t{4} << 20);
  StagingBufferPool(StagingBufferPool&&) noexcept = default;
  StagingBufferPool& operator=(StagingBufferPool&& other) noexcept;
  StagingBufferPool(const StagingBufferPool&) = delete;
  StagingBufferPool& operator=(const StagingBufferPool&) = delete;
  ~StagingBufferPool();

  /// Takes a staging buffer. Waits: while every one is held or in flight.
  StagingBuffer get_buffer();

  /// Takes a staging buffer. \returns nullopt when every one is held or in flight.
  std::optional<StagingBuffer> try_get_buffer();

  /// Gives a staging buffer back unused. An empty one is ignored.
  void return_buffer(StagingBuffer&& buffer) noexcept;

  /// Copies `source` to `target` through staging buffers and returns without waiting for the copy.
  ///
  /// Order: after the work that uses `target`. `source` is read before this returns, so the caller
  /// may change it at once. A source larger than one buffer goes in pieces, in order.
  /// Life: `target`'s memory is kept until the copy is done, also when the tensor goes.
  /// Waits: only while every staging buffer is in flight (counted in `stats`).
  ///
  /// \param source  Elements, exactly as many as `target` holds and of its type.
  /// \returns The completion that is done when `target` holds the elements.
  /// \throws Error  `invalid_argument` when type, count or device do not match, and nothing was
  ///                copied; `device_lost`.
  template <std::ranges::contiguous_range R>
  Completion transfer_to_gpu(const R& source, const Tensor& target) {
    using T = std::ranges::range_value_t<R>;
    static_assert(Element<T>, "Headrace has no DataType for this element type");
    return transfer(std::as_bytes(std::span(std::ranges::data(source), std::ranges::size(source))),
                    data_type_of<T>,
                    target);
  }

  /// Copies `source` to `target` and waits until it is there. Else as `transfer_to_gpu`.
  template <std::ranges::contiguous_range R>
  void transfer_to_gpu_sync(const R& source, const Tensor& target) {
    transfer_to_gpu(source, target).wait();
  }

  /// Copies the first `target.size_bytes()` bytes of a filled staging buffer to `target`; nothing
  /// is copied on the host. The buffer goes back to the pool when the copy is done.
  ///
  /// \throws Error  `invalid_argument` when `filled` is empty or of another pool, or smaller than
  ///                `target`; then `filled` is unchanged.
  Completion transfer_to_gpu(StagingBuffer&& filled, const Tensor& target);

  /// Copies bytes of `source`, as many as `target` has, from `offset` on, to `target` and returns
  /// without waiting for the copy. Nothing is copied on the host and no staging buffer is taken.
  ///
  /// Order: after the work that uses `target`. Life: the bytes are read until the completion is
  /// done and must not change before; the end of `source` waits for it.
  ///
  /// \returns The completion that is done when `target` holds the bytes.
  /// \throws Error  `invalid_argument` when `source` is empty, of another device or ends before
  ///                them, and nothing was copied; `device_lost`.
  Completion transfer_to_gpu(const HostRegistration& source,
                             std::size_t offset,
                             const Tensor& target);

  /// Waits until every transfer begun before is done. \throws Error  `device_lost`.
  void wait_for_transfer_completion();

  [[nodiscard]] StagingPoolStats stats() const;

  /// Waits for the transfers, then gives the idle staging buffers' memory back. The pool stays
  /// usable.
  void cleanup() noexcept;

 private:
  Completion transfer(std::span<const std::byte> bytes, DataType dtype, const Tensor& target);

  std::shared_ptr<core::StagingPoolState> state_;
};

}  // namespace headrace
