// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/driver.h"
#include "backends/cuda/geometry.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

// How many blocks a kernel is launched with, and what part of its elements it takes in pieces.

namespace headrace::cuda {

inline constexpr std::uint64_t kPiecesABlock = std::uint64_t{kThreads} * kPiecesAThread;
inline constexpr std::uint64_t kInterleavedPiecesABlock =
    std::uint64_t{kThreads} * kInterleavedPiecesAThread;

inline std::uint64_t divide_up(std::uint64_t count, std::uint64_t by) {
  return (count + by - 1) / by;
}

/// Blocks for a kernel whose threads take `count` elements in turn. Beyond some there are none to
/// run them on.
inline unsigned loop_blocks(std::uint64_t count) {
  constexpr std::uint64_t kMost = 1U << 16;
  return static_cast<unsigned>(std::clamp<std::uint64_t>(divide_up(count, kThreads), 1, kMost));
}

inline CUdeviceptr address(const MemoryView& view) {
  return view.handle + view.offset;
}

/// The part of an elementwise kernel's elements that it takes in pieces of 16 bytes of the wider
/// type; what is before and behind, or all where source and target are not aligned together, it
/// takes one at a time.
struct Pieces {
  std::uint64_t elements = 1;  ///< Of one piece.
  std::uint64_t head = 0;      ///< Elements before the first.
  std::uint64_t count = 0;

  Pieces(CUdeviceptr from,
         std::size_t from_bytes,
         CUdeviceptr to,
         std::size_t to_bytes,
         std::uint64_t all)
      : elements(kPieceBytes / std::max(from_bytes, to_bytes)) {
    const std::uint64_t skew = to % (elements * to_bytes);
    head = std::min<std::uint64_t>(skew == 0 ? 0 : elements - skew / to_bytes, all);
    const bool is_aligned = (to + head * to_bytes) % (elements * to_bytes) == 0 &&
                            (from + head * from_bytes) % (elements * from_bytes) == 0;
    count = is_aligned ? (all - head) / elements : 0;
  }
};

}  // namespace headrace::cuda
