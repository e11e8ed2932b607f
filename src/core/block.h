// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/device_type.h"

#include "core/timeline.h"

#include <cstddef>
#include <memory>
#include <mutex>

namespace headrace::core {

class MemoryPool;

/// A piece of device memory and the work that uses it. A Buffer's handle is its Block's address.
///
/// Invariant: taken exactly while `owner` is set. `writers` and `readers` are guarded by `mutex`
/// while taken, by the pool's lock while cached; the rest changes only at a take or a return.
/// Lock order: the pool's lock, `mutex`, a StreamState's.
class Block {
 public:
  Block(MemoryBlock memory, std::size_t capacity, DeviceType device_type)
      : memory_(memory), capacity_(capacity), device_type_(device_type) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() = default;

  [[nodiscard]] const MemoryBlock& memory() const noexcept { return memory_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] DeviceType device_type() const noexcept { return device_type_; }
  [[nodiscard]] const std::shared_ptr<MemoryPool>& owner() const noexcept { return owner_; }
  [[nodiscard]] MemoryView view(std::size_t offset) const noexcept {
    return {memory_.handle, offset, memory_.host == nullptr ? nullptr : memory_.host + offset};
  }

  /// Makes `stream` wait for the work that must come before a read there.
  void before_read(StreamState& stream);
  /// Makes `stream` wait for the work that must come before a write there.
  void before_write(StreamState& stream);
  /// Notes that work submitted to `stream` reads.
  void after_read(StreamState& stream) noexcept;
  /// Notes that work submitted to `stream` writes; `outcome` says whether it failed.
  void after_write(StreamState& stream, std::shared_ptr<const Outcome> outcome = nullptr) noexcept;
  /// Notes that the host wrote, in place of whatever failed before.
  void written_by_host() noexcept;
  /// Notes work that may read or write, beside what is known.
  void record_use(StreamState& stream);
  /// The same; a marker that cannot be recorded is recorded later.
  void note_use(StreamState& stream) noexcept;
  /// Waits on the host until it may read. Throws what the last write failed with.
  void wait_to_read();
  /// Throws what the last write failed with; final once that write is over.
  void require_written();
  /// Waits on the host until it may write, at most `timeout` a stream. \returns Whether it may.
  bool wait_to_write(std::chrono::nanoseconds timeout);
  void wait_to_write();

 private:
  friend class MemoryPool;

  [[nodiscard]] UseList copy_writers();
  [[nodiscard]] UseList copy_all();

  const MemoryBlock memory_;
  const std::size_t capacity_;
  const DeviceType device_type_;
  std::size_t requested_ = 0;
  std::shared_ptr<MemoryPool> owner_;    // keeps the pool while taken
  std::shared_ptr<StreamState> stream_;  // taken for
  Block* next_ = nullptr;                // in the pool's free list
  std::mutex mutex_;
  UseList writers_;
  UseList readers_;
  std::shared_ptr<const Outcome> written_;  // of the last write, or null
};

}  // namespace headrace::core
