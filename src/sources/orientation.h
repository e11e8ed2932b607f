// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::sources {

/// How a stored picture is to be turned: mirrored along its stored axes, then transposed.
struct Orientation {
  bool is_mirrored_x = false;
  bool is_mirrored_y = false;
  bool is_transposed = false;

  [[nodiscard]] bool is_upright() const noexcept {
    return !is_mirrored_x && !is_mirrored_y && !is_transposed;
  }

  /// This one, and then what is seen mirrored left for right.
  [[nodiscard]] Orientation flipped() const noexcept {
    return {.is_mirrored_x = is_mirrored_x == is_transposed,
            .is_mirrored_y = is_mirrored_y != is_transposed,
            .is_transposed = is_transposed};
  }

  /// EXIF's number 1 to 8; every other one counts as 1.
  static Orientation of_exif(unsigned number) noexcept;
};

/// The orientation in EXIF data (a TIFF header and what follows it). Data that makes no sense
/// leaves the picture as it is.
Orientation read_orientation(std::span<const std::uint8_t> exif) noexcept;

/// Writes the RGB picture `from`, of `stored` size, turned to `to`.
void turn(const std::uint8_t* from,
          const ImageSize& stored,
          Orientation orientation,
          std::uint8_t* to);

}  // namespace headrace::sources
