// SPDX-License-Identifier: Apache-2.0
/// \file
/// How work is dealt out to shaders: what this side and shaders/ agree on.
#pragma once

#include "headrace/data_type.h"

#include "backends/vulkan/memory.h"
#include "backends/vulkan/operation.h"

#include <algorithm>
#include <cstdint>

namespace headrace::vulkan {

/// Threads of a workgroup: workgroup.glsl.
inline constexpr std::uint32_t kThreads = 128;
/// Bytes of a piece, on the side of the wider type, and how many pieces a thread takes.
inline constexpr std::uint32_t kPieceBytes = 16;
inline constexpr std::uint32_t kPiecesAThread = 2;
/// The same of copy.comp, and of expand_bytes.comp where the order stays.
inline constexpr std::uint32_t kCopiedPiecesAThread = 4;
inline constexpr std::uint32_t kInterleavedPiecesAThread = 4;
/// Of expand_bytes.comp: channels that it takes, and bytes of a sample that a group takes where
/// planes lie anyhow.
inline constexpr std::uint32_t kMostFastChannels = 64;
inline constexpr std::uint32_t kTileBytes = 3072;

/// What every device can bind begins at a multiple of this; the rest is told to the shader. Buffer
/// objects end at one, too, so that shaders may read whole pieces.
inline constexpr VkDeviceSize kBindAlignment = 256;

/// Elements that a thread converts at a time, where both sides are aligned: 16 bytes of the wider
/// type, but no less than a word of the target.
inline std::uint32_t elements_a_piece(DataType from, DataType to) {
  const auto wide = static_cast<std::uint32_t>(std::max(size_of(from), size_of(to)));
  return std::max(kPieceBytes / wide, std::uint32_t{4} / static_cast<std::uint32_t>(size_of(to)));
}

constexpr std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return (value + by - 1) / by;
}

/// What to bind for `bytes` bytes at a place, and how far behind its beginning they begin.
struct Binding {
  Range range;
  std::uint32_t offset = 0;

  Binding(const Place& place, VkDeviceSize bytes)
      : range{place.buffer,
              place.offset / kBindAlignment * kBindAlignment,
              0,
              place.is_host_visible},
        offset(static_cast<std::uint32_t>(place.offset % kBindAlignment)) {
    range.size = divide_up(offset + bytes, kPieceBytes) * kPieceBytes;
  }
};

/// Groups for so many threads; fewer, which then take more, if the device has not so many.
constexpr std::uint32_t groups_of(std::uint64_t threads, std::uint32_t most) {
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(divide_up(threads, kThreads), 1, most));
}

/// Pieces of so many bytes that a range touches.
constexpr std::uint64_t touched(std::uint32_t offset, std::uint64_t bytes, std::uint32_t piece) {
  return divide_up(offset % piece + bytes, piece);
}

}  // namespace headrace::vulkan
