// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/resample.h"
#include "sources/image.h"
#include "sources/image_view.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headrace::sources {

/// From which pixels each pixel of a resized axis comes.
class Axis {
 public:
  /// \param shrink  Times smaller than `view` says is the picture that there is.
  void plan(const AxisView& view, std::uint64_t shrink);

  [[nodiscard]] std::span<const kernels::ResamplePixel> pixels() const noexcept { return pixels_; }
  [[nodiscard]] const std::int32_t* weights() const noexcept { return weights_.data(); }

  /// The pixels that any result needs: from `begin` to before `end`.
  [[nodiscard]] std::uint64_t begin() const noexcept { return pixels_.front().first; }
  [[nodiscard]] std::uint64_t end() const noexcept {
    return std::uint64_t{pixels_.back().first} + pixels_.back().count;
  }

 private:
  std::vector<kernels::ResamplePixel> pixels_;
  std::vector<std::int32_t> weights_;
  std::vector<double> exact_;
};

/// Resizes a part of an RGB picture that comes row by row: bilinear with antialiasing, as Pillow
/// resizes a picture that the part was cut out of before.
///
/// Threads: one at a time.
class Resizer {
 public:
  /// \param shrink  Times smaller than `view` says is the picture that will come.
  /// \returns The part of that picture that is needed.
  Region begin(const ImageView& view, std::uint64_t shrink);

  /// Takes the next row of that part.
  ///
  /// \param row  The picture's, also left of the part, with `kernels::kResampleSlack` bytes behind.
  void take(const std::uint8_t* row);

  /// Writes the result after the last row.
  void finish(std::uint8_t* to);

  /// Memory kept for the next picture, but for the little that describes its axes.
  [[nodiscard]] std::size_t kept_bytes() const noexcept { return narrow_.capacity(); }

 private:
  Axis columns_;
  Axis rows_;
  std::uint64_t row_count_ = 0;
  // The rows that are needed, already of the final width, and one byte.
  std::vector<std::uint8_t> narrow_;
};

}  // namespace headrace::sources
