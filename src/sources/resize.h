// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace::sources {

/// Which part of a resized axis is kept, and from which pixels each of its pixels comes.
class Axis {
 public:
  /// \param from        Pixels there are.
  /// \param resized     Pixels of the axis after resizing, at least `kept`.
  /// \param kept        Pixels that are kept, of the middle.
  /// \param is_mirrored  Whether the picture will be mirrored along this axis.
  void plan(std::uint64_t from, std::uint64_t resized, std::uint64_t kept, bool is_mirrored);

  /// One pixel of the result: the sum of `count` pixels from `first`, each by its weight.
  struct Pixel {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t weights = 0;  ///< Where its weights begin in `weights()`.
  };

  [[nodiscard]] const std::vector<Pixel>& pixels() const noexcept { return pixels_; }
  [[nodiscard]] const std::int32_t* weights() const noexcept { return weights_.data(); }

  /// The pixels that any result needs: from `begin` to before `end`.
  [[nodiscard]] std::uint64_t begin() const noexcept { return pixels_.front().first; }
  [[nodiscard]] std::uint64_t end() const noexcept {
    return pixels_.back().first + pixels_.back().count;
  }

 private:
  std::vector<Pixel> pixels_;
  std::vector<std::int32_t> weights_;
  std::vector<double> exact_;
};

/// Resizes an RGB picture that comes row by row so that it just covers a size, and keeps the
/// middle: bilinear with antialiasing, as Pillow's `resize` and torchvision's `Resize` and
/// `CenterCrop`.
///
/// Threads: one at a time.
class Resizer {
 public:
  /// \param from  At least 1x1, as `to`.
  /// \param is_mirrored_x  Whether the result will be mirrored; decides an odd pixel of the cut.
  void begin(const ImageSize& from, const ImageSize& to, bool is_mirrored_x, bool is_mirrored_y);

  /// Takes the next row, of `from.width * 3` bytes.
  void take(const std::uint8_t* row);

  /// Writes the result, of `to`, after the last row.
  void finish(std::uint8_t* to);

  /// Memory kept for the next picture, but for the little that describes its axes.
  [[nodiscard]] std::size_t kept_bytes() const noexcept { return narrow_.capacity(); }

 private:
  Axis columns_;
  Axis rows_;
  std::uint64_t next_row_ = 0;
  std::vector<std::uint8_t> narrow_;  // the rows that are needed, already of the final width
  std::vector<std::int32_t> sums_;
};

}  // namespace headrace::sources
