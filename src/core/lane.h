// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device_type.h"

#include "core/block.h"
#include "core/size_class.h"
#include "core/timeline.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace headrace::core {

struct Capture;

/// A slot stands for one kind of memory and one class: what buffers must share to be exchanged.
inline constexpr std::size_t kKinds = 3;
inline constexpr std::size_t kSlots = kKinds * SizeClasses::kCount;
inline constexpr std::size_t kNoSlot = kSlots;

inline std::size_t slot_of(DeviceType device_type, std::size_t class_index) noexcept {
  return static_cast<std::size_t>(device_type) * SizeClasses::kCount + class_index;
}

/// Blocks in the order of their return, any of which can be taken out. Not synchronised.
class BlockList {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Block* oldest() const noexcept { return first_; }
  [[nodiscard]] Block* newest() const noexcept { return last_; }
  static Block* newer(const Block& block) noexcept { return block.next_; }
  static Block* older(const Block& block) noexcept { return block.previous_; }

  void push_newest(Block& block) noexcept;
  void remove(Block& block) noexcept;

 private:
  Block* first_ = nullptr;
  Block* last_ = nullptr;
  std::size_t size_ = 0;
};

/// Cached blocks of one slot that were last used on one stream, in chains that caches give and take
/// whole: a chain changes hands at the cost of one block.
///
/// Every block of a chain was returned before the chain was pushed, so the serial that its first
/// block has then is passed when the uses of all are over. Threads: safe from any thread.
class alignas(64) CentralList {
 public:
  /// Adds the chain that begins with `first`, whose serial stands for all.
  void push(Block& first, std::size_t size) noexcept;
  /// The chain pushed last. \returns null and 0 when there is none.
  std::pair<Block*, std::size_t> pop() noexcept;
  /// The chain pushed first of those whose serial `stream` has passed.
  std::pair<Block*, std::size_t> pop_passed(const StreamState& stream) noexcept;
  /// Blocks in all chains.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  Block* top_ = nullptr;  // guarded by mutex_
  std::atomic<std::size_t> size_{0};
};

/// A stream's side of a pool.
class Lane {
 public:
  explicit Lane(std::shared_ptr<StreamState> state)
      : stream(std::move(state)), lists(std::make_unique<CentralList[]>(kSlots)) {}

  const std::shared_ptr<StreamState> stream;
  const std::unique_ptr<CentralList[]> lists;  ///< One a slot.
  /// Blocks taken for the stream less those that came back, but for what thread caches count.
  std::int64_t taken = 0;   // guarded by the pool's lock
  bool is_retired = false;  // guarded by the pool's lock; nothing is cached here then
  /// Of the CaptureScope that wants what is taken and returned while the stream is captured.
  std::shared_ptr<Capture> capture;      // guarded by the pool's lock
  std::atomic<bool> has_capture{false};  // written under the pool's lock
};

}  // namespace headrace::core
