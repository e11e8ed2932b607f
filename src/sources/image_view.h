// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "sources/image.h"
#include "sources/orientation.h"

#include <cstdint>

namespace headrace::sources {

/// What becomes of one axis of a picture: a part of it is resized, and a part of that is kept.
struct AxisView {
  std::uint64_t total = 0;    ///< Pixels there are.
  std::uint64_t begin = 0;    ///< First pixel of the part.
  std::uint64_t length = 0;   ///< Pixels of the part.
  std::uint64_t resized = 0;  ///< Pixels that the part is resized to.
  std::uint64_t cut = 0;      ///< First of these that is kept.
  std::uint64_t kept = 0;     ///< Pixels that are kept.

  /// The same seen from the other end.
  [[nodiscard]] AxisView mirrored() const noexcept;

  /// Whether the picture may be `times` smaller and its part is not smaller than what it is resized
  /// to.
  [[nodiscard]] bool covers_at(std::uint64_t times) const noexcept {
    return length / times >= resized;
  }
};

/// What becomes of a picture.
struct ImageView {
  AxisView x;
  AxisView y;

  /// The view of the stored picture that gives this one after it is turned.
  [[nodiscard]] ImageView before(const Orientation& turn) const noexcept;

  /// The most times, of 1, 2, 4 and 8, that the picture may be smaller: Pillow's draft mode.
  [[nodiscard]] std::uint64_t shrink() const noexcept;
};

/// Resizes a picture to just cover a size, and keeps the middle: torchvision's Resize and
/// CenterCrop.
ImageView cover_and_cut(const ImageSize& from, const ImageSize& to) noexcept;

/// Resizes a part of a picture to a size.
ImageView cut_and_resize(const ImageSize& from, const Region& part, const ImageSize& to) noexcept;

}  // namespace headrace::sources
