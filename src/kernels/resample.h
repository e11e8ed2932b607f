// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/level.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::kernels {

// The two loops of resizing a picture: sums of neighbouring bytes, each by its weight, rounded and
// held to 0..255. Weights are fixed-point numbers of `kResampleBits` bits behind the point, and
// those of one sum, none of them negative, come to about 1. No sum overflows: 8 bits are the
// bytes', and two are left.

inline constexpr int kResampleBits = 32 - 8 - 2;

/// Weights of a pixel of a result are followed by zeros up to a multiple of this.
inline constexpr std::size_t kResampleGroup = 4;

/// Bytes that may be read behind the end of a row; they count nothing.
inline constexpr std::size_t kResampleSlack = 16;

/// One pixel of a result: the sum of `count` pixels from `first`, each by its weight.
struct ResamplePixel {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t weights = 0;  ///< Where its weights begin.
};

/// Resizes a row of RGB pixels.
///
/// \param row    With `kResampleSlack` bytes behind it.
/// \param into   Room for as many pixels as `pixels` describes, and one byte, which is written.
/// \param level  Instructions to use, which the processor must have; the results are the same.
void resample_row(const std::uint8_t* row,
                  std::span<const ResamplePixel> pixels,
                  const std::int32_t* weights,
                  std::uint8_t* into,
                  Level level = best_level()) noexcept;

/// Sums `taps` rows, each of `bytes` bytes and right behind the one before, to one row.
void blend_rows(const std::uint8_t* rows,
                std::size_t bytes,
                const std::int32_t* weights,
                std::size_t taps,
                std::uint8_t* into,
                Level level = best_level()) noexcept;

}  // namespace headrace::kernels
