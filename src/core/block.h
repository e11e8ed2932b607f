// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/device_type.h"

#include "core/cache_key.h"
#include "core/timeline.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace headrace::core {

struct Capture;
class Lane;
class MemoryPool;
struct Span;

/// A piece of device memory and the work that uses it. A Buffer's handle is its Block's address.
///
/// A block is taken (somebody holds its Buffer) or cached (the pool has it). While it is taken,
/// `writers_` and `readers_` are guarded by `mutex_`; while it is cached, by whatever guards the
/// list it is in. The rest changes only at a take, a return, or in the pool's hands.
/// Lock order: the pool's lock, `mutex_`, a StreamState's.
class alignas(64) Block {
 public:
  Block() = default;
  /// A block of no pool, whose memory is the caller's.
  explicit Block(const MemoryBlock& memory)
      : capacity_(memory.size), device_type_(DeviceType::cpu), memory_(memory) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() = default;

  /// Where it is: `handle` is the address itself, or the buffer object that `offset` goes into.
  [[nodiscard]] const MemoryBlock& memory() const noexcept { return memory_; }
  [[nodiscard]] NativeHandle native_handle() const noexcept {
    return {memory_.kind, memory_.handle, offset_};
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] DeviceType device_type() const noexcept { return device_type_; }
  [[nodiscard]] std::size_t slot() const noexcept { return slot_; }
  [[nodiscard]] MemoryPool& owner() const noexcept { return *pool_; }
  [[nodiscard]] MemoryView view(std::size_t offset) const noexcept {
    return {memory_.handle,
            offset_ + offset,
            memory_.host == nullptr ? nullptr : memory_.host + offset};
  }

  /// Makes `stream` wait for the work that must come before a read there.
  void before_read(StreamState& stream);
  /// Makes `stream` wait for the work that must come before a write there.
  void before_write(StreamState& stream);
  /// Notes that work that was submitted, and ends at `work`, reads.
  void after_read(const Ticket& work) noexcept;
  /// Notes that work that was submitted, and ends at `work`, writes; `outcome` says whether it
  /// failed.
  void after_write(const Ticket& work, std::shared_ptr<const Outcome> outcome = nullptr) noexcept;
  /// Notes that the host wrote, in place of whatever failed before.
  void written_by_host() noexcept;
  /// Notes work that may read or write, beside what is known.
  void record_use(StreamState& stream);
  /// The same; a marker that cannot be recorded is recorded later.
  void note_use(StreamState& stream) noexcept;
  /// The same before the block is given back, which covers the stream it was taken for.
  void note_last_use(StreamState& stream) noexcept;
  /// Waits on the host until it may read. Throws what the last write failed with.
  void wait_to_read();
  /// Throws what the last write failed with; final once that write is over.
  void require_written();
  /// Waits on the host until it may write, at most `timeout` a stream. \returns Whether it may.
  bool wait_to_write(std::chrono::nanoseconds timeout);
  void wait_to_write();
  /// Whether a wait for its uses is possible now; see StreamState::has_marker.
  [[nodiscard]] bool can_be_waited_for();
  /// Adds the work that uses it to `uses`.
  void add_all_to(UseList& uses);

 private:
  friend class BlockList;
  friend class CentralList;
  friend class LooseBlocks;
  friend class MemoryPool;
  friend class OpenParts;

  /// Whether nothing is known to use it but work on the stream it was taken for.
  [[nodiscard]] bool is_used_only_on(const StreamState& stream) const noexcept {
    return !has_uses_ || (writers_.is_only_on(stream) && readers_.is_only_on(stream));
  }
  /// Forgets what is known of uses: they all come before `serial` of its lane's stream.
  void end_uses_at(MarkerSerial serial) noexcept {
    if (has_uses_) {
      forget_uses();
    }
    serial_ = serial;
  }
  /// The same once `stream`, its lane's, waits for them. What another device has yet to do stays.
  void end_waited_uses_at(const StreamState& stream, MarkerSerial serial) noexcept {
    writers_.drop_covered_by(stream);
    readers_.drop_covered_by(stream);
    has_uses_ = !writers_.empty() || !readers_.empty();
    serial_ = serial;
  }
  void forget_uses() noexcept {
    writers_.clear();
    readers_.clear();
    has_uses_ = false;
  }
  void forget_outcome() noexcept;
  /// Makes the uses before the take one of the writers: whoever is not on the taker's stream must
  /// wait for them. `mutex_` is held.
  void know_earlier_uses();
  /// Adds to one of the lists. `mutex_` is held.
  void note(UseList& uses, const Ticket& ticket);

  /// Whether nothing writes but on `stream`, whose own order will do.
  bool is_written_only_on(const StreamState& stream);
  /// The same for all uses, which `stream` then need not wait for.
  bool cover_if_used_only_on(const StreamState& stream);
  void add_writers_to(UseList& uses);
  /// As `add_all_to`, but for what other devices have done or, being lost, will not do: the host
  /// that is about to write need not wait for that.
  void add_all_before_host_write_to(UseList& uses);

  // What a take and a return on a hit touch lies in one cache line.
  MemoryPool* pool_ = nullptr;
  Lane* lane_ = nullptr;  // of the stream it was taken for; null in no stream's hands
  // Of the pool, which is none for blocks of no class, and of `lane_`. Changes under the pool's
  // lock only.
  CacheKey cache_key_ = kNoCacheKey;
  Block* next_ = nullptr;                  // in whatever list it is in
  std::atomic<std::size_t> requested_{0};  // 0 while cached; read by snapshots
  // A point of the lane's stream. Taken: where earlier uses end. Cached: where all uses end.
  MarkerSerial serial_ = 0;
  std::size_t capacity_ = 0;
  std::uint16_t slot_ = 0;  // its place among a cache's magazines: kind and class
  DeviceType device_type_ = DeviceType::gpu;
  bool has_uses_ = false;              // whether any is in the two lists, or an outcome is kept
  std::atomic<std::uint16_t> tag_{0};  // of the last take; read by snapshots

  MemoryBlock memory_;
  std::uint64_t offset_ = 0;  // into a buffer object; 0 for addresses
  UseList writers_;
  UseList readers_;
  std::shared_ptr<const Outcome> written_;  // of the last write, or null

  std::mutex mutex_;
  Span* span_ = nullptr;
  Block* previous_ = nullptr;      // in a list that can lose any of its blocks
  std::uint64_t loose_group_ = 0;  // among LooseBlocks
  Block* next_chain_ = nullptr;    // of the first block of a chain: the next chain
  std::uint32_t chain_size_ = 0;   // of the first block of a chain
  // The last take or return that was not a hit. Guarded by the pool's lock.
  std::chrono::steady_clock::time_point since_;

  // Who keeps it once it is returned; null but for blocks of captures. Guarded by the pool's lock.
  std::shared_ptr<Capture> capture_;
  std::shared_ptr<Capture> also_;  // and then: of the capture in which it was returned
  bool is_of_capture_ = false;     // whether it was taken in the capture
};

}  // namespace headrace::core
