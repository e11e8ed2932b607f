// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device.h"
#include "headrace/device_type.h"
#include "headrace/memory_manager.h"
#include "headrace/stats.h"

#include "core/block.h"
#include "core/device_state.h"

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

namespace headrace::core {

/// Blocks of every capacity and kind on one device: what a MemoryManager and a BufferPool are made
/// of. Design: docs/design/004-pools.md.
///
/// Invariant: reserved bytes = bytes in taken blocks + bytes in cached blocks + bytes being asked
/// of the device, and never above the limit. Life: every taken block keeps its pool alive. Threads:
/// safe from any thread. `mutex_` is held neither while the device is asked for memory or given it
/// back, nor while anything is waited for, nor during a callback.
class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  MemoryPool(Device device, MemoryManagerConfig config);
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;
  ~MemoryPool();

  [[nodiscard]] const Device& device() const noexcept { return device_; }
  [[nodiscard]] DeviceState& device_state() const noexcept { return *device_state_; }

  /// Takes a block of at least `size` bytes for `stream`. A size of 0 gives a block of no memory.
  ///
  /// \throws Error  as `MemoryManager::get_buffer`.
  Block* take(std::size_t size, DeviceType device_type, std::shared_ptr<StreamState> stream);

  /// Takes a block. \returns null when the count limit is reached; else as `take`.
  Block* try_take(std::size_t size, DeviceType device_type, std::shared_ptr<StreamState> stream);

  /// Gives a taken block back, used by its stream's work so far besides what it knows.
  static void give_back(Block* block) noexcept;

  /// Gives cached blocks whose last use is over back to the device. \returns Bytes given back.
  std::size_t trim();

  [[nodiscard]] MemoryStats stats() const;
  [[nodiscard]] std::map<PoolKey, BufferPoolStats> pool_stats() const;
  [[nodiscard]] BufferPoolStats buffer_stats() const;

 private:
  struct ClassPool {
    Block* free = nullptr;
    std::size_t cached = 0;
    std::size_t existing = 0;
  };
  enum class Shortage { count, bytes, device };
  struct Request {
    std::size_t size;
    PoolKey key;
    std::shared_ptr<StreamState> stream;
    Shortage shortage = Shortage::device;  ///< What the last attempt lacked.
    bool is_last_round = false;
  };
  /// One try: a cached block, or a new one; null when limits or the device leave no room.
  Block* attempt(Request& request);
  /// A cached block that may be used on the request's stream as it is.
  static Block* ready_block(const Request& request, ClassPool& pool);
  /// The cached block that was given back first.
  static Block* oldest_block(ClassPool& pool);
  static Block* take_next(Block** link, ClassPool& pool) noexcept;
  void wait_for_uses(Block& block, StreamState& stream);
  void note_taken_from_cache(const Block& block, bool must_wait);
  void reserve(ClassPool& pool, std::size_t capacity);
  Block* grow(Request& request);
  void hand_out(Block& block, const Request& request);

  [[nodiscard]] bool count_reached() const;
  [[nodiscard]] bool bytes_reached(std::size_t more) const;
  [[nodiscard]] bool may_grow(std::size_t bytes) const;
  [[nodiscard]] bool above_soft_limit(std::size_t more) const;

  /// The ladder: each round tries something harsher. \returns False when nothing is left to try.
  bool make_room(Request& request, int round);
  [[nodiscard]] bool may_find_room() const;
  void finish_all_cached();
  std::size_t release_cached();
  [[noreturn]] void fail(const Request& request);

  void cache(Block* block) noexcept;

  const Device device_;
  const std::shared_ptr<DeviceState> device_state_;
  const MemoryManagerConfig config_;
  std::mutex release_mutex_;  // before mutex_; held while the device is given memory back
  mutable std::mutex mutex_;
  std::map<PoolKey, ClassPool> pools_;  // guarded by mutex_
  MemoryStats stats_;                   // guarded by mutex_
  std::size_t existing_ = 0;            // guarded by mutex_: blocks of all pools
};

}  // namespace headrace::core
