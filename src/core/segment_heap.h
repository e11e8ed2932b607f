// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "core/block.h"
#include "core/timeline.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <vector>

namespace headrace::core {

struct Segment;
struct Span;

/// Free spans are found by who may use them at once, then by size, then oldest segment first.
struct FreeKey {
  std::uint64_t stream = 0;  ///< 0: anybody; kSeveral: nobody at once.
  std::size_t size = 0;
  std::uint64_t segment = 0;
  std::size_t offset = 0;
  Span* span = nullptr;
  friend auto operator<=>(const FreeKey&, const FreeKey&) = default;
};

/// A range of a segment: free, or taken to hold blocks of one capacity.
struct Span {
  Segment* segment = nullptr;
  std::size_t offset = 0;  ///< Bytes from the start of the segment.
  std::size_t size = 0;
  Span* before = nullptr;  ///< Neighbours by address.
  Span* after = nullptr;
  bool is_free = false;
  std::set<FreeKey>::iterator place;  ///< Of a free span: in the heap's index.
  UseList uses;  ///< Of a free span: work that may still use it. Else what its uncarved part had.

  // What follows is the owner's while it is taken.
  std::unique_ptr<Block[]> blocks;
  std::size_t block_count = 0;  ///< Places for blocks.
  std::size_t carved = 0;       ///< Blocks that were ever made; the first ones.
  std::size_t cached = 0;       ///< Blocks that are in the pool's hands one by one.
  std::size_t slot = 0;         ///< What kind of blocks it holds.
  std::size_t capacity = 0;     ///< Bytes of a block.
};

/// One allocation of the device, cut into spans that follow one another without a gap.
struct Segment {
  MemoryBlock memory;
  std::size_t size = 0;  ///< Bytes asked of the device.
  Span* first = nullptr;
  std::uint64_t number = 0;  ///< In the order of making: the older is filled first.
  std::chrono::steady_clock::time_point since;  ///< When the device gave it.
};

/// Segments of one kind of memory, and which ranges of them are free.
///
/// Pure arithmetic: asks no device but whether work is done. A free span knows the work that may
/// still use it. Two free neighbours become one when that changes for nobody when either may be
/// used: both unused, or both used by one and the same stream. Design:
/// docs/design/008-segments.md. When the host has no memory a call that may throw changes nothing
/// but that neighbours are joined; the others need none. Threads: not synchronised; the pool's lock
/// guards it.
class SegmentHeap {
 public:
  SegmentHeap() = default;
  SegmentHeap(const SegmentHeap&) = delete;
  SegmentHeap& operator=(const SegmentHeap&) = delete;
  ~SegmentHeap();

  /// Adds `size` bytes that the device gave, as one free span.
  void add(const MemoryBlock& memory,
           std::size_t size,
           std::chrono::steady_clock::time_point since = {});

  /// Takes `size` bytes that work on `stream` may use at once: the smallest free span that holds
  /// them. A null stream means the host, for which every use must be over.
  /// \returns null when there is none.
  Span* take(std::size_t size, const StreamState* stream);

  /// Which free spans a call may use: those whose uses are over or the asker's own, or all.
  enum class Ready { at_once, any };

  /// Takes `size` bytes out of neighbouring free spans together, whose uses then join: those that
  /// `stream` may use at once, or with `any` all that it can wait for. \returns null when no such
  /// range is long enough.
  Span* take_run(std::size_t size, const StreamState* stream, Ready ready);

  /// Makes a taken span free; `uses` may still use it.
  void give(Span* span, UseList&& uses);

  /// Forgets uses that are over, and joins what that allows.
  void refresh();

  /// A segment that is the heap's no more, and the work that may still use it.
  struct Removed {
    MemoryBlock memory;
    std::size_t size = 0;
    UseList uses;
  };
  /// Removes segments that are free as a whole: those whose uses are over, or with `any` all.
  std::vector<Removed> remove_free(Ready ready);

  [[nodiscard]] std::size_t segment_count() const noexcept { return segments_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t free_bytes() const noexcept { return free_bytes_; }
  [[nodiscard]] std::size_t largest_free() const;

  /// Calls `visit` with every span, segment by segment, in the order of addresses.
  void for_each(const std::function<void(const Span&)>& visit) const;

 private:
  static constexpr std::uint64_t kSeveral = UINT64_MAX;
  static std::uint64_t stream_of(const Span& span);

  void insert(Span* span);
  void erase(Span* span);
  /// Joins `span`, which is in no index, with free neighbours of the same key.
  Span* join(Span* span);
  /// Joins `first` and the spans behind it, all free, until there are `size` bytes.
  Span* join_run(Span* first, std::size_t size);
  /// Makes `span` hold the memory of `after` as well, which goes.
  void absorb(Span* span, Span* after);
  /// Leaves `size` bytes in `span`; the rest becomes the free span `rest`.
  void split(Span* span, std::size_t size, Span* rest);
  Span* claim(Span* span, std::size_t size);
  Span* make_span();
  void drop(Span* span);
  void drop(Segment& segment);

  std::vector<std::unique_ptr<Segment>> segments_;
  std::set<FreeKey> free_;
  std::vector<std::set<FreeKey>::node_type> spare_places_;  // of free_: one a span that has none
  std::size_t span_count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t free_bytes_ = 0;
  std::uint64_t last_number_ = 0;
  std::vector<std::unique_ptr<Span>> spare_;  // spans in nobody's use
};

}  // namespace headrace::core
