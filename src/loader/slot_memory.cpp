// SPDX-License-Identifier: Apache-2.0
#include "loader/slot_memory.h"

#include "headrace/error.h"
#include "headrace/memory_tag.h"

#include "core/access.h"
#include "core/memory_pool.h"
#include "core/tag_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::loader {

namespace {
std::uint64_t size_of_storage(const std::shared_ptr<core::Storage>& storage) {
  return storage ? storage->block().owner().usable_bytes(storage->block()) : 0;
}

/// Whether nobody else references `storage`. Then all that others did with it happened before.
bool is_ours_alone(const std::shared_ptr<core::Storage>& storage) {
  if (!storage || storage.use_count() > 1) {
    return false;
  }
  // The count alone orders nothing; copying and dropping acquires what the last holder released.
  static_cast<void>(std::shared_ptr<core::Storage>(storage));
  return true;
}

bool move_if_lacking(std::shared_ptr<core::Storage>& from, std::shared_ptr<core::Storage>& to) {
  if (to || !is_ours_alone(from)) {
    return false;
  }
  to = std::move(from);
  return true;
}
}  // namespace

SlotMemory::SlotMemory(const MemoryManager& manager, std::size_t byte_budget)
    : manager_(manager),
      budget_(byte_budget != 0 ? byte_budget : manager.device().info().total_bytes / 2),
      workers_write_device_memory_(
          core::ManagerAccess::pool(manager)->device_state().caps().unified_memory),
      stream_(core::ManagerAccess::pool(manager)->device_state().resolve({})) {}

std::size_t SlotMemory::slots_that_fit(const BatchLayout* layout, std::size_t wanted) const {
  if (layout == nullptr) {
    return wanted;
  }
  const auto rounded = [this](std::size_t bytes) {
    return bytes == 0 ? 0 : core::ManagerAccess::pool(manager_)->capacity_of(bytes);
  };
  const std::size_t bytes = rounded(layout->packed_bytes()) + rounded(layout->expanded_bytes());
  if (bytes == 0) {
    return wanted;
  }
  if (bytes > budget_) {
    throw Error(
        ErrorCode::capacity,
        fmt::format(
            "A batch of {} bytes exceeds the loader's byte_budget of {} bytes.", bytes, budget_));
  }
  return std::min<std::size_t>(wanted, budget_ / bytes);
}

void SlotMemory::leave_what_is_held(Slot& slot) {
  leave_if_held(slot.packed);
  leave_if_held(slot.expanded);
}

void SlotMemory::provide(Slot& slot, const std::shared_ptr<const BatchLayout>& layout) {
  ensure(slot.packed, layout->packed_bytes());
  if (layout->expand()) {
    ensure(slot.expanded, layout->expanded_bytes());
  }
  if (!workers_write_device_memory_ && size_of_storage(slot.slab) < layout->packed_bytes()) {
    pinned_bytes_ -= size_of_storage(slot.slab);
    slot.slab.reset();
    slot.slab = make(layout->packed_bytes(), DeviceType::cpu);
    pinned_bytes_ += size_of_storage(slot.slab);
  }
  slot.layout = layout;
}

std::shared_ptr<core::Storage> SlotMemory::make(std::size_t bytes, DeviceType device_type) const {
  const MemoryTag tag(device_type == DeviceType::cpu ? core::kLoaderSlabsTag
                                                     : core::kLoaderSlotsTag);
  return core::make_storage(*core::ManagerAccess::pool(manager_), bytes, device_type, stream_);
}

void SlotMemory::leave_if_held(std::shared_ptr<core::Storage>& storage) {
  if (!storage || is_ours_alone(storage)) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  left_.push_back({storage, size_of_storage(storage)});
  owned_bytes_ -= size_of_storage(storage);
  storage.reset();
  ++replaced_;
}

bool SlotMemory::take_over(Slot& from, Slot& to) {
  const bool packed = move_if_lacking(from.packed, to.packed);
  const bool expanded = move_if_lacking(from.expanded, to.expanded);
  const bool slab = move_if_lacking(from.slab, to.slab);
  return packed || expanded || slab;
}

std::vector<std::shared_ptr<core::Storage>> SlotMemory::drop(Slot& slot) {
  std::vector<std::shared_ptr<core::Storage>> dropped;
  for (std::shared_ptr<core::Storage>* storage : {&slot.packed, &slot.expanded, &slot.slab}) {
    if (!is_ours_alone(*storage)) {
      continue;
    }
    const std::uint64_t bytes = size_of_storage(*storage);
    dropped.push_back(std::move(*storage));
    if (storage == &slot.slab) {
      pinned_bytes_ -= bytes;
    } else {
      const std::scoped_lock lock(mutex_);
      owned_bytes_ -= bytes;
    }
  }
  return dropped;
}

void SlotMemory::ensure(std::shared_ptr<core::Storage>& storage, std::size_t bytes) {
  if (size_of_storage(storage) >= bytes && storage) {
    return;
  }
  const std::uint64_t old_bytes = size_of_storage(storage);
  storage.reset();
  reserve(old_bytes, bytes);
  try {
    storage = make(bytes, DeviceType::gpu);
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    owned_bytes_ -= bytes;
    throw;
  }
  const std::scoped_lock lock(mutex_);
  owned_bytes_ += size_of_storage(storage) - bytes;
  peak_device_bytes_ = std::max(peak_device_bytes_, owned_bytes_ + left_bytes());
}

void SlotMemory::reserve(std::uint64_t old_bytes, std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  owned_bytes_ -= old_bytes;
  std::erase_if(left_, [](const Left& left) { return left.storage.expired(); });
  const std::uint64_t used = owned_bytes_ + left_bytes();
  if (used > budget_ || bytes > budget_ - used) {
    throw Error(
        ErrorCode::capacity,
        fmt::format("A batch of {} bytes exceeds the loader's byte_budget of {} bytes: {} are "
                    "in its slots and {} in tensors that the consumer still holds; release "
                    "batches or raise byte_budget.",
                    bytes,
                    budget_,
                    owned_bytes_,
                    left_bytes()));
  }
  owned_bytes_ += bytes;
}

std::uint64_t SlotMemory::left_bytes() const {
  std::uint64_t bytes = 0;
  for (const Left& left : left_) {
    bytes += left.storage.expired() ? 0 : left.bytes;
  }
  return bytes;
}

void SlotMemory::report(AsyncDataLoaderStats& stats) const {
  const std::scoped_lock lock(mutex_);
  stats.device_bytes = owned_bytes_ + left_bytes();
  stats.peak_device_bytes = peak_device_bytes_;
  stats.pinned_bytes = pinned_bytes_;
  stats.slots_replaced = replaced_;
}

}  // namespace headrace::loader
