// SPDX-License-Identifier: Apache-2.0
#include "sources/image_view.h"

#include <utility>

namespace headrace::sources {
namespace {

/// The smallest size of `from`'s proportions that covers `to`.
ImageSize covering(const ImageSize& from, const ImageSize& to) noexcept {
  if (from.width * to.height <= from.height * to.width) {
    return {to.width, to.width * from.height / from.width};
  }
  return {to.height * from.width / from.height, to.height};
}

/// Pixels cut away at the lower end of `extra`: half, an odd one to the even side (torchvision's
/// round).
std::uint64_t cut_of(std::uint64_t extra) noexcept {
  const std::uint64_t half = extra / 2;
  return half + (extra % 2 != 0 && half % 2 != 0 ? 1 : 0);
}

AxisView middle(std::uint64_t from, std::uint64_t resized, std::uint64_t kept) noexcept {
  return {.total = from,
          .begin = 0,
          .length = from,
          .resized = resized,
          .cut = cut_of(resized - kept),
          .kept = kept};
}

}  // namespace

AxisView AxisView::mirrored() const noexcept {
  AxisView view = *this;
  view.begin = total - begin - length;
  view.cut = resized - cut - kept;
  return view;
}

ImageView ImageView::before(const Orientation& turn) const noexcept {
  ImageView view = *this;
  if (turn.is_transposed) {
    std::swap(view.x, view.y);
  }
  if (turn.is_mirrored_x) {
    view.x = view.x.mirrored();
  }
  if (turn.is_mirrored_y) {
    view.y = view.y.mirrored();
  }
  return view;
}

std::uint64_t ImageView::shrink() const noexcept {
  std::uint64_t times = 8;
  while (times > 1 && !(x.covers_at(times) && y.covers_at(times))) {
    times /= 2;
  }
  return times;
}

ImageView cover_and_cut(const ImageSize& from, const ImageSize& to) noexcept {
  const ImageSize resized = covering(from, to);
  return {.x = middle(from.width, resized.width, to.width),
          .y = middle(from.height, resized.height, to.height)};
}

ImageView cut_and_resize(const ImageSize& from, const Region& part, const ImageSize& to) noexcept {
  return {.x = {.total = from.width,
                .begin = part.x,
                .length = part.width,
                .resized = to.width,
                .cut = 0,
                .kept = to.width},
          .y = {.total = from.height,
                .begin = part.y,
                .length = part.height,
                .resized = to.height,
                .cut = 0,
                .kept = to.height}};
}

}  // namespace headrace::sources
