// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

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
};

/// What becomes of a picture.
struct ImageView {
  AxisView x;
  AxisView y;

  /// The view of the stored picture that gives this one after it is turned.
  [[nodiscard]] ImageView before(const Orientation& turn) const noexcept;
};

/// Resizes a picture to just cover a size, and keeps the middle: torchvision's Resize and
/// CenterCrop.
ImageView cover_and_cut(const ImageSize& from, const ImageSize& to) noexcept;

}  // namespace headrace::sources
