// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace replay {

/// The policy of PyTorch's caching allocator with its default settings, as arithmetic on addresses
/// that stand for no memory: which segments it would ask for, and what it would cut from them.
///
/// A stream's free blocks are its own. Segments are never given back, for there is no limit that
/// would make it. What differs from the real one: addresses of segments rise in the order of their
/// making, and no block is used by a second stream.
class CachingModel {
 public:
  struct Block {
    std::size_t stream = 0;
    std::size_t size = 0;
    std::uint64_t address = 0;
    bool is_small = false;
    bool is_taken = false;
    Block* before = nullptr;  ///< Neighbours in the segment.
    Block* after = nullptr;
  };

  Block* take(std::size_t bytes, std::size_t stream) {
    const std::size_t size = std::max(round_up(bytes, kGranule), kGranule);
    const bool is_small = size <= kSmallSize;
    Free& free = free_[is_small ? 0 : 1];
    Block wanted;
    wanted.stream = stream;
    wanted.size = size;
    const auto fit = free.lower_bound(&wanted);
    Block* block = nullptr;
    if (fit != free.end() && (*fit)->stream == stream) {
      block = *fit;
      free.erase(fit);
    } else {
      block = make_segment(size, stream, is_small);
    }
    const std::size_t rest = block->size - size;
    if (is_small ? rest >= kGranule : rest > kSmallSize) {
      split(block, size);
    }
    block->is_taken = true;
    return block;
  }

  void give(Block* block) {
    block->is_taken = false;
    if (block->before != nullptr && !block->before->is_taken) {
      block = join(block->before, block);
    }
    if (block->after != nullptr && !block->after->is_taken) {
      block = join(block, block->after);
    }
    free_[block->is_small ? 0 : 1].insert(block);
  }

  [[nodiscard]] std::uint64_t reserved() const noexcept { return reserved_; }
  [[nodiscard]] std::size_t segments() const noexcept { return segments_; }

 private:
  static constexpr std::size_t kMiB = std::size_t{1} << 20;
  static constexpr std::size_t kGranule = 512;
  static constexpr std::size_t kSmallSize = kMiB;          // up to here: the small pool
  static constexpr std::size_t kSmallSegment = 2 * kMiB;   // segments of the small pool
  static constexpr std::size_t kLargeSegment = 20 * kMiB;  // segments for sizes below kOwnSegment
  static constexpr std::size_t kOwnSegment = 10 * kMiB;    // from here each its own segment
  static constexpr std::size_t kSegmentStep = 2 * kMiB;    // of those

  struct Less {
    bool operator()(const Block* a, const Block* b) const noexcept {
      return std::tie(a->stream, a->size, a->address) < std::tie(b->stream, b->size, b->address);
    }
  };
  using Free = std::set<Block*, Less>;

  static std::size_t round_up(std::size_t value, std::size_t step) noexcept {
    return (value + step - 1) / step * step;
  }

  Block* make_segment(std::size_t size, std::size_t stream, bool is_small) {
    const std::size_t bytes = is_small             ? kSmallSegment
                              : size < kOwnSegment ? kLargeSegment
                                                   : round_up(size, kSegmentStep);
    Block* block = make_block();
    *block = {stream, bytes, reserved_, is_small, false, nullptr, nullptr};
    reserved_ += bytes;
    ++segments_;
    return block;
  }

  void split(Block* block, std::size_t size) {
    Block* rest = make_block();
    *rest = {block->stream,
             block->size - size,
             block->address + size,
             block->is_small,
             false,
             block,
             block->after};
    if (rest->after != nullptr) {
      rest->after->before = rest;
    }
    block->after = rest;
    block->size = size;
    free_[block->is_small ? 0 : 1].insert(rest);
  }

  /// Joins neighbours, of which any that is free is in the set.
  Block* join(Block* block, Block* after) {
    Free& free = free_[block->is_small ? 0 : 1];
    free.erase(block);
    free.erase(after);
    block->size += after->size;
    block->after = after->after;
    if (block->after != nullptr) {
      block->after->before = block;
    }
    spare_.push_back(after);
    return block;
  }

  Block* make_block() {
    if (spare_.empty()) {
      blocks_.push_back(std::make_unique<Block>());
      return blocks_.back().get();
    }
    Block* block = spare_.back();
    spare_.pop_back();
    return block;
  }

  std::array<Free, 2> free_;  // small, large
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<Block*> spare_;
  std::uint64_t reserved_ = 0;
  std::size_t segments_ = 0;
};

}  // namespace replay
