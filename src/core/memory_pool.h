// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device.h"
#include "headrace/device_type.h"
#include "headrace/memory_manager.h"
#include "headrace/stats.h"

#include "core/allocation_log.h"
#include "core/block.h"
#include "core/device_state.h"
#include "core/lane.h"
#include "core/loose_blocks.h"
#include "core/memory_snapshot.h"
#include "core/open_parts.h"
#include "core/process.h"
#include "core/segment_heap.h"
#include "core/size_class.h"
#include "core/thread_cache.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace headrace::core {

/// Device memory handed out in blocks: what a MemoryManager and a BufferPool are made of.
///
/// A returned block goes, in this order of price: to the thread's magazine; as part of a chain to
/// the central list of its stream and class; to the loose blocks, each with the uses it must wait
/// for; and with all blocks of its span back to the heap. A take looks in the same order, and asks
/// the device last. Design: docs/design/004-pools.md.
///
/// Invariant: reserved bytes = bytes of segments + bytes being asked of the device or given back to
/// it, and never above the limit. Life: until the last handle and the last taken block are gone.
/// Threads: safe from any thread. Lock order: a PoolLink's, `release_mutex_`, `mutex_`, a cache's
/// biased lock, a CentralList's, a Block's. `mutex_` is held neither while the device is asked for
/// memory or given it back, nor while work is waited for, nor during a callback.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): lines of the cache are kept apart
class MemoryPool {
 public:
  /// \param only_size  When not 0, the one size that buffers have.
  static std::shared_ptr<MemoryPool> make(Device device,
                                          MemoryManagerConfig config,
                                          std::size_t only_size = 0);
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  [[nodiscard]] const Device& device() const noexcept { return device_; }
  [[nodiscard]] DeviceState& device_state() const noexcept { return *device_state_; }
  [[nodiscard]] const ProcessStamp& process() const noexcept { return process_; }

  /// Bytes of a taken block that its taker may use: all, or where a tool checks it, those asked
  /// for.
  [[nodiscard]] std::size_t usable_bytes(const Block& block) const noexcept;

  /// Bytes of the block that serves `size` bytes. \throws Error  when it cannot be rounded.
  [[nodiscard]] std::size_t capacity_of(std::size_t size) const;

  /// Takes a block of at least `size` bytes for `stream`. A size of 0 gives a block of no memory.
  ///
  /// \throws Error  as `MemoryManager::get_buffer`.
  Block* take(std::size_t size, DeviceType device_type, const Stream& stream);
  /// \pre A handle of `stream` lives.
  Block* take(std::size_t size, DeviceType device_type, const std::shared_ptr<StreamState>& stream);

  /// What `take` tries first. \returns null when the thread's cache cannot serve it.
  Block* take_hit(std::size_t size, DeviceType device_type, const Stream& stream) noexcept;
  /// What `take` does then.
  [[gnu::noinline]] Block* take_missed(std::size_t size,
                                       DeviceType device_type,
                                       const Stream& stream);

  /// Takes a block. \returns null when the count limit is reached; else as `take`.
  Block* try_take(std::size_t size, DeviceType device_type, const Stream& stream);

  /// Gives a taken block back, used by its stream's work so far besides what it knows.
  static void give_back(Block* block) noexcept;

  /// Gives segments that hold no taken block and whose uses are over back to the device.
  /// \returns Bytes given back.
  std::size_t trim();

  [[nodiscard]] MemoryStats stats() const;
  [[nodiscard]] PoolSnapshot snapshot() const;
  [[nodiscard]] std::map<PoolKey, BufferPoolStats> pool_stats() const;
  [[nodiscard]] BufferPoolStats buffer_stats() const;

  /// Makes the peaks what is taken and held now.
  void reset_peaks();

  /// Logs what is still taken, by tag, if the manager's settings want that.
  void report_leaks() const noexcept;

  /// Captures of CaptureScopes, whose calls these are. \throws Error  as they.
  std::shared_ptr<Capture> begin_capture(const Stream& stream);
  void end_capture(const Capture& capture) noexcept;
  void end_scope(Capture& capture) noexcept;
  void keep(const Buffer& buffer, const std::shared_ptr<Capture>& capture);
  void record_use(Capture& capture, const Stream& stream);
  [[nodiscard]] std::size_t kept_bytes(const Capture& capture) const;

  /// Takes over what the cache of a thread that ends holds. The link's lock is held.
  void absorb(ThreadCache& cache) noexcept;

  /// Tells a tool, if there is one, what no work uses any more. The link's lock is held.
  void tell_what_is_over() noexcept;

  /// Takes over what is cached for a stream whose last handle is gone. The link's lock is held.
  void retire(const StreamState& stream) noexcept;

 private:
  struct ClassPool {
    LooseBlocks loose;
    std::size_t existing = 0;  // blocks, taken or not
    Span* carving = nullptr;   // has places for blocks that were never made
  };
  enum class Shortage { count, bytes, device };
  struct Request {
    std::size_t size;
    std::size_t capacity;
    DeviceType device_type;
    std::size_t slot;
    std::shared_ptr<StreamState> stream;
    CacheKey key;          // of the stream as the caller named it
    bool is_told = false;  // to a tool, for which memory in use has one user at a time
    bool may_ask = true;   // the device, whether work is done: not while it is captured
    Lane* lane = nullptr;
    std::shared_ptr<Capture> capture = nullptr;  // that the block is for
    Shortage shortage = Shortage::device;        // what the last attempt lacked
    bool is_last_round = false;

    /// Whether every use before must be over, not only come before: of memory that the host
    /// writes, which is on no stream, and of what a tool is told is open.
    [[nodiscard]] bool is_after_all() const noexcept {
      return device_type == DeviceType::cpu || is_told;
    }
    /// Whose work may come at once; null for nobody's, as for a graph, which may be launched on
    /// any.
    [[nodiscard]] const StreamState* user() const noexcept {
      return is_after_all() || capture ? nullptr : stream.get();
    }
  };
  enum class Fit { one_span, run, any_run };
  using Clock = std::chrono::steady_clock;

  MemoryPool(Device device, MemoryManagerConfig config, std::size_t only_size);
  ~MemoryPool() = default;
  void close() noexcept;

  // Hits: memory_pool_hits.cpp. No lock but the cache's own.
  enum class Entry;
  template <Entry kEntry>
  static bool enter(BiasedLock& lock) noexcept;
  template <Entry kEntry>
  Block* take_here(std::size_t size, DeviceType device_type, std::uint32_t stream) noexcept;
  template <Entry kEntry>
  static bool return_here(Block& block, const CacheEntry& entry) noexcept;
  [[gnu::noinline]] static void give_back_again(Block* block) noexcept;
  bool spill_if_full(const CacheEntry& entry, std::size_t slot) noexcept;
  Block* refill(const Request& request);
  /// Asks the device about the block that was returned last, which the host is to write.
  static bool is_newest_over(const CacheEntry& entry, std::size_t slot);
  void spill(const CacheEntry& entry, std::size_t slot) noexcept;
  static void hand_over(Block& block, std::size_t size, Tally& tally) noexcept;
  void fold(Tally& tally) noexcept;
  /// Before bytes that no cache counts are: else the thread's peak would not be exact.
  void fold_own() noexcept;
  void raise_peak(std::int64_t bytes) noexcept;
  void count_bytes(std::int64_t capacity, std::int64_t requested) noexcept;

  // Misses: memory_pool.cpp.
  Block* take_slowly(std::size_t size,
                     DeviceType device_type,
                     const std::shared_ptr<StreamState>& stream,
                     CacheKey key);
  Block* serve(std::size_t size,
               DeviceType device_type,
               const std::shared_ptr<StreamState>& stream,
               CacheKey key);
  Block* take_nothing(DeviceType device_type);
  Block* attempt(Request& request);
  /// What disturbs nobody: memory of the capture, loose blocks, places in spans.
  Block* at_hand(const Request& request);
  Block* cached_or_carved(Request& request, bool& must_wait);
  /// Bytes that a pool with slack may grow by before it disturbs threads again for what they keep.
  [[nodiscard]] std::size_t growth_before_collection(const Request& request) const;
  Lane& lane_of(const std::shared_ptr<StreamState>& stream);
  /// Makes the calling thread keep blocks of a stream, if it does not yet.
  void remember_cache(Lane& lane, bool is_default);
  /// Lets magazines keep as much as they should.
  void open(Magazines& magazines) const noexcept;
  Block* ready_loose(const Request& request);
  /// The oldest block whose uses can be waited for.
  Block* waitable_loose(const Request& request);
  Block* take_loose(Block& block, const Request& request);
  void refill_from_loose(const Request& request);
  void hand_out(Block& block, const Request& request, bool must_wait);
  void give_to_lane(Block& block, const Request& request);
  void begin_use(Block& block, const Request& request);
  void wait_for_uses(Block& block, const Request& request);
  /// Tells a tool, if there is one, what of a block may be used from now on.
  void tell_of(const Block& block, const Request& request) noexcept;

  // Growth: memory_pool_growth.cpp.
  Block* carve(const Request& request, Fit fit);
  Span* take_span(std::size_t bytes, const Request& request, Fit fit);
  /// The first block of a span that was just taken, which goes back if that fails.
  Block* carve_first(Span& span, std::size_t count, const Request& request);
  Block* carve_from(Span& span, const Request& request);
  [[nodiscard]] std::size_t blocks_wanted(std::size_t slot) const;
  [[nodiscard]] std::size_t segment_size(const Request& request) const;
  Block* grow(Request& request, std::size_t bytes);
  MemoryBlock ask_device(DeviceType device_type, std::size_t bytes, std::exception_ptr& failure);

  // Returns: memory_pool_returns.cpp.
  void give_back_slowly(Block* block) noexcept;
  void keep_from_now_on(Lane& lane) noexcept;
  void give_back_nothing(Block* block) noexcept;
  Ticket end_of_work(StreamState& stream) noexcept;
  void loosen(Block& block, const Ticket& end, Clock::time_point now);
  static void end_take(Block& block, const Ticket& end, Clock::time_point now);
  void make_loose(Block& block);
  void release_span(Span& span);
  /// Makes every cached block a loose one.
  void collect();
  void empty_magazines(ThreadCache& cache, const Lane* only);
  void empty_lists(Lane& lane);
  /// Makes what is cached for a lane loose and has its magazines keep nothing; they are `owner`'s
  /// from then on, or with null nobody's.
  void shut_caches(Lane& lane, Lane* owner);
  void loosen_chain(Block* newest, const Lane& lane);
  /// Gives the heap every span all of whose blocks are loose: those that `user` may use at once, or
  /// with `any` all.
  void dissolve(DeviceType device_type, const StreamState* user, SegmentHeap::Ready ready);
  void drop_lane_if_over(Lane& lane);
  [[nodiscard]] std::int64_t outstanding() const;
  /// The segments that a closed pool needs no more, now that a block came back.
  std::vector<SegmentHeap::Removed> remove_unneeded(const Block& returned);
  /// Gives a closed pool's segments back, and it goes if nothing of it is taken and nobody else is
  /// here. The caller counts among `visitors_`.
  void leave_closed(std::vector<SegmentHeap::Removed>&& removed) noexcept;

  // Captures: memory_pool_capture.cpp.
  /// Whether a scope wants what is returned to a lane now.
  static bool is_captured(const Lane& lane) noexcept;
  /// Keeps a block that came back, if a scope wants it. \returns Whether it does.
  static bool keep_for_captures(Block& block, bool was_captured) noexcept;
  static bool keep_on(Block& block, bool may_be_reused) noexcept;

  // Limits and pressure: memory_pressure.cpp.
  [[nodiscard]] bool count_reached() const;
  [[nodiscard]] bool bytes_reached(std::size_t more) const;
  [[nodiscard]] bool may_grow(std::size_t bytes) const;
  [[nodiscard]] bool above_soft_limit(std::size_t more) const;
  /// Whether a pool that grew for the request would hold much that nobody has taken.
  [[nodiscard]] bool has_slack(const Request& request) const;
  /// Gives unused segments back before the pool grows, so that what changing sizes leave does not
  /// pile up.
  void give_surplus_back(const Request& request);
  /// The ladder: each round tries something harsher. \returns False when nothing is left to try.
  bool make_room(Request& request, int round);
  [[nodiscard]] bool may_find_room() const;
  void finish_all_cached();
  /// Waits for other devices' work that uses loose blocks, free spans or what is buried.
  /// \returns Whether there was any.
  bool finish_uses_by_others();
  std::size_t release_cached();
  /// Gives segments back to the device, each once its uses are over. \returns Their bytes.
  std::size_t give_to_device(std::vector<SegmentHeap::Removed>&& removed) noexcept;
  [[noreturn]] void fail(const Request& request);

  [[nodiscard]] MemoryStats stats_now() const;
  static PoolSnapshot::Span copy_of(const Span& span);
  [[nodiscard]] std::int64_t current_bytes() const;
  [[nodiscard]] std::int64_t current_buffers() const;
  [[nodiscard]] SegmentHeap& heap(DeviceType device_type) {
    return heaps_[static_cast<std::size_t>(device_type)];
  }

  const std::uint32_t number_;  // as thread caches know it
  const ProcessStamp process_;
  const Device device_;
  const std::shared_ptr<DeviceState> device_state_;
  const MemoryManagerConfig config_;
  const SizeClasses classes_;
  const std::size_t only_size_;
  const std::unique_ptr<AllocationLog> log_;  // null for none; with one no caches are kept
  const std::shared_ptr<PoolLink> link_ = std::make_shared<PoolLink>();

  // Before mutex_; held while the device is given memory that others may look for.
  std::mutex release_mutex_;
  mutable std::mutex mutex_;
  // What follows is guarded by mutex_, but for the atomics.
  bool is_closed_ = false;
  std::size_t visitors_ = 0;       // threads that give back what a closed pool had
  std::size_t empty_buffers_ = 0;  // taken blocks of no memory
  std::unordered_map<std::uint64_t, std::unique_ptr<Lane>> lanes_;  // by id of the stream
  std::vector<std::shared_ptr<ThreadCache>> caches_;
  std::array<ClassPool, kSlots> slots_;
  std::array<SegmentHeap, kKinds> heaps_;
  OpenParts open_parts_;      // told to a tool; then no caches are kept
  std::size_t existing_ = 0;  // blocks, taken or cached
  std::size_t grown_since_collection_ = 0;
  MemoryStats totals_;  // but for what the atomics and the caches count

  // Of takes and returns that caches have counted and passed on, and of those that used none.
  alignas(64) std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> requested_{0};
  std::atomic<std::int64_t> peak_{0};
};

[[noreturn]] void throw_no_pool();

/// The pool of a manager. \throws Error  `invalid_argument` when it has none.
inline MemoryPool& made(const std::shared_ptr<MemoryPool>& pool) {
  if (!pool) [[unlikely]] {
    throw_no_pool();
  }
  return *pool;
}

}  // namespace headrace::core
