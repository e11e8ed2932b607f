// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/memory_manager.h"

#include "core/storage.h"
#include "loader/slot.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace headrace::loader {

/// Gives slots their memory, within a budget.
///
/// A slot keeps its memory from batch to batch. What the consumer still references when the slot's
/// turn comes is left to it, and counts until it lets go. Where there is none to be had, slots that
/// wait for a later batch give up theirs.
/// Threads: safe from any thread, for different slots.
class SlotMemory {
 public:
  /// \param byte_budget  0 means half of the device's memory.
  SlotMemory(const MemoryManager& manager, std::size_t byte_budget);

  /// Slots of a ring of at most `wanted` that the budget has room for, at least 1; `wanted` when
  /// the layout is not known.
  ///
  /// \throws Error  `capacity` when not even one fits.
  [[nodiscard]] std::size_t slots_that_fit(const BatchLayout* layout, std::size_t wanted) const;

  /// Leaves to the consumer what it still references of the memory of `slot`.
  void leave_what_is_held(Slot& slot);

  /// Sees to it that `slot` has memory for `layout`. It may still be in use by earlier work.
  ///
  /// \throws Error  `capacity` when the budget does not allow it; what the manager throws. The slot
  ///                then lacks memory and may be tried again.
  void provide(Slot& slot, const std::shared_ptr<const BatchLayout>& layout);

  /// Gives `to` what it lacks of the memory of `from`, but for what others reference. Not while
  /// anybody else looks at `from`.
  ///
  /// \returns Whether that was anything.
  bool take_over(Slot& from, Slot& to);

  /// Takes the memory of `slot` out of the loader, but for what others reference. It goes back to
  /// the manager with the result.
  std::vector<std::shared_ptr<core::Storage>> drop(Slot& slot);

  /// Fills in the numbers about memory.
  void report(AsyncDataLoaderStats& stats) const;

 private:
  struct Left {
    std::weak_ptr<core::Storage> storage;
    std::uint64_t bytes;
  };

  void leave_if_held(std::shared_ptr<core::Storage>& storage);
  void ensure(std::shared_ptr<core::Storage>& storage, std::size_t bytes);
  void reserve(std::uint64_t old_bytes, std::size_t bytes);
  [[nodiscard]] std::shared_ptr<core::Storage> make(std::size_t bytes,
                                                    DeviceType device_type) const;
  [[nodiscard]] std::uint64_t left_bytes() const;

  const MemoryManager manager_;
  const std::uint64_t budget_;
  const bool workers_write_device_memory_;
  const std::shared_ptr<core::StreamState> stream_;
  mutable std::mutex mutex_;       // guards what follows; not held while memory is asked for
  std::uint64_t owned_bytes_ = 0;  // device memory that slots hold
  std::vector<Left> left_;         // device memory left to the consumer
  std::uint64_t peak_device_bytes_ = 0;
  std::atomic<std::uint64_t> pinned_bytes_{0};
  std::uint64_t replaced_ = 0;
};

}  // namespace headrace::loader
