// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace headrace {

/// Counts of one pool of buffers.
struct BufferPoolStats {
  std::size_t available = 0;  ///< Buffers in the pool, ready to be taken.
  std::size_t allocated = 0;  ///< Buffers that exist, taken or not.
  std::size_t max_size = 0;   ///< Most buffers that may exist; 0 when there is no such limit.
  friend bool operator==(const BufferPoolStats&, const BufferPoolStats&) = default;
};

/// Totals of a MemoryManager. Bytes are capacities, so they are at least what was asked.
/// Exact at a moment when no other thread is inside the manager; else each number is of its own
/// moment.
struct MemoryStats {
  std::uint64_t current_bytes = 0;        ///< In buffers that are taken.
  std::uint64_t peak_bytes = 0;           ///< The most `current_bytes` ever was. With several
                                          ///< threads, off by what each takes from its cache
                                          ///< between two refills, 8 MiB a size at the most.
  std::uint64_t requested_bytes = 0;      ///< What the takers of `current_bytes` asked for.
  std::uint64_t cached_bytes = 0;         ///< Held from the device and not taken.
  std::uint64_t reserved_bytes = 0;       ///< Held from the device: current and cached.
  std::uint64_t peak_reserved_bytes = 0;  ///< The most `reserved_bytes` ever was.
  std::uint64_t current_buffers = 0;      ///< Buffers that are taken.
  std::uint64_t cached_buffers = 0;       ///< Buffers that wait to be taken again.
  std::uint64_t segments = 0;             ///< Allocations held from the device.
  std::uint64_t free_bytes = 0;           ///< Of `cached_bytes`, what is in no buffer.
  std::uint64_t largest_free_bytes = 0;   ///< The largest piece of `free_bytes`.
  std::uint64_t hits = 0;                 ///< Takes served from the cache.
  std::uint64_t misses = 0;               ///< Takes that asked the device.
  std::uint64_t stream_waits = 0;    ///< Times a stream was made to wait so as to reuse a buffer.
  std::uint64_t host_waits = 0;      ///< Times the host waited so as to reuse a buffer.
  std::uint64_t failures = 0;        ///< Takes that ended in an error.
  std::uint64_t release_errors = 0;  ///< Failures that cannot be thrown: while giving back, and an
                                     ///< allocation log that could not be written to its end.

  /// How badly memory that is in no buffer is cut up: 1 - `largest_free_bytes` / `free_bytes`, from
  /// 0 (one piece, or nothing free) to below 1 (crumbs). All kinds of memory count together.
  [[nodiscard]] double fragmentation() const noexcept {
    return free_bytes == 0
               ? 0.0
               : 1.0 - static_cast<double>(largest_free_bytes) / static_cast<double>(free_bytes);
  }
};

/// What is taken under one MemoryTag.
struct MemoryTagStats {
  std::uint64_t bytes = 0;            ///< Capacities of the buffers.
  std::uint64_t requested_bytes = 0;  ///< What their takers asked for.
  std::uint64_t buffers = 0;
  friend bool operator==(const MemoryTagStats&, const MemoryTagStats&) = default;
};

/// Counts of a CommandBufferPool.
struct CommandPoolStats {
  std::size_t total_buffers = 0;      ///< Made so far.
  std::size_t available_buffers = 0;  ///< In the pool.
  std::size_t in_use_buffers = 0;     ///< Held by callers or in flight.
  std::size_t max_buffers = 0;        ///< Most that may exist.
  std::uint64_t submissions = 0;      ///< Handed to the device, batches counted once.
  std::uint64_t handler_errors = 0;   ///< Completion handlers that threw.
};

/// Counts of a StagingBufferPool.
struct StagingPoolStats {
  std::size_t total_buffers = 0;      ///< Made so far.
  std::size_t available_buffers = 0;  ///< Ready to be taken, their last copy done.
  std::size_t in_use_buffers = 0;     ///< Held by callers or in flight.
  std::size_t buffer_size = 0;        ///< Bytes of each.
  std::size_t max_buffers = 0;        ///< Most that may exist.
  std::uint64_t transfers = 0;        ///< Transfers begun.
  std::uint64_t transferred_bytes = 0;
  std::uint64_t waits = 0;  ///< Times a caller waited because all were in flight.
};

/// A sample that could not be read.
struct SampleFailure {
  std::uint64_t epoch = 0;
  std::uint64_t sample = 0;
  std::string message = {};
};

/// Durations of one stage, in microseconds; percentiles are exact to within 7 %.
struct StageStats {
  std::uint64_t count = 0;
  double total_us = 0;
  double p50_us = 0;
  double p99_us = 0;
};

/// What an AsyncDataLoader has done since its last `start`.
struct AsyncDataLoaderStats {
  bool is_running = false;
  std::uint64_t batches_produced = 0;  ///< Batches made ready.
  std::size_t queued_batches = 0;      ///< Ready and not yet handed out.
  std::size_t queue_capacity = 0;      ///< Batches that can be ready at once.
  std::size_t workers = 0;             ///< Threads that read.
  std::uint64_t generation = 0;        ///< Raised by every `start`; 1 for the first.
  std::uint64_t batches_delivered = 0;
  std::uint64_t samples_delivered = 0;
  std::uint64_t bytes_to_device = 0;               ///< Bytes of samples put into device memory.
  std::uint64_t failures = 0;                      ///< Samples that could not be read.
  std::vector<SampleFailure> first_failures = {};  ///< At most the first 16.
  std::uint64_t slots_replaced = 0;  ///< Times a slot's memory was left to a holder of its tensors.
  std::uint64_t device_bytes = 0;    ///< Of the slots, those left to holders included.
  std::uint64_t peak_device_bytes = 0;
  std::uint64_t pinned_bytes = 0;  ///< Of the host slabs; 0 where workers write device memory.
  StageStats read = {};            ///< A worker reading one chunk of samples.
  StageStats wait_for_slot = {};   ///< A worker without a slot, or waiting for its memory.
  StageStats copy = {};            ///< Issuing one batch's copy and expansion.
  StageStats wait_for_batch = {};  ///< A consumer in `get_batch`.
  StageStats handoff = {};         ///< `get_batch` when a batch was ready.
};

}  // namespace headrace
