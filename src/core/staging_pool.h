// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/staging.h"

#include "core/device_state.h"
#include "core/process.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace headrace::core {

class HostRange;
class StagingPoolState;

/// One staging buffer's memory.
struct StagingSlot {
  Buffer buffer;
  std::weak_ptr<StagingPoolState> pool;
};

/// What the handles of a StagingBufferPool stand for.
///
/// Life of a buffer: idle, held by a caller, in flight until the marker behind its copy is passed.
/// Lock order: `mutex_` before a StreamState's. Nothing is waited for under it but `changed_`.
class StagingPoolState : public std::enable_shared_from_this<StagingPoolState> {
 public:
  StagingPoolState(MemoryManager manager, std::size_t max_buffers, std::size_t buffer_size);

  StagingBuffer get();
  std::optional<StagingBuffer> try_get();
  void put_back(std::shared_ptr<StagingSlot> slot) noexcept;
  Completion transfer(std::span<const std::byte> bytes, const Tensor& target);
  Completion transfer(StagingBuffer&& filled, const Tensor& target);
  Completion transfer(HostRange& source, std::size_t offset, const Tensor& target);
  void wait_for_all();
  [[nodiscard]] StagingPoolStats stats();
  void cleanup() noexcept;
  [[nodiscard]] const ProcessStamp& process() const noexcept { return process_; }

 private:
  struct InFlight {
    std::shared_ptr<StagingSlot> slot;
    Ticket ticket;
  };

  void require_target(const Tensor& target) const;
  /// Submits one copy and puts the buffer in flight; it stays the caller's when nothing was sent.
  /// \returns Its marker.
  Ticket send(StagingBuffer& buffer,
              const Tensor& target,
              std::size_t offset,
              std::size_t bytes,
              std::shared_ptr<Outcome> outcome);
  void note_transfer(std::size_t bytes);
  void settle_locked();
  StagingBuffer hold(std::shared_ptr<StagingSlot> slot);

  const ProcessStamp process_;
  MemoryManager manager_;
  const std::size_t max_buffers_;
  const std::size_t buffer_size_;
  const Stream stream_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<StagingSlot>> idle_;  // guarded by mutex_
  std::deque<InFlight> in_flight_;                  // guarded by mutex_
  StagingPoolStats stats_;                          // guarded by mutex_
};

}  // namespace headrace::core
