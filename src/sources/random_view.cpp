// SPDX-License-Identifier: Apache-2.0
#include "sources/random_view.h"

#include <algorithm>
#include <cmath>

namespace headrace::sources {
namespace {

std::uint64_t rounded(double value) noexcept {
  return static_cast<std::uint64_t>(std::nearbyint(value));
}

/// All, or as much of the middle as the bounds of the ratio allow.
Region middle_of(const RandomCrop& crop, const ImageSize& from) noexcept {
  const double ratio = static_cast<double>(from.width) / static_cast<double>(from.height);
  ImageSize size = from;
  if (ratio < crop.min_ratio) {
    size.height = rounded(static_cast<double>(from.width) / crop.min_ratio);
  } else if (ratio > crop.max_ratio) {
    size.width = rounded(static_cast<double>(from.height) * crop.max_ratio);
  }
  size.width = std::clamp<std::uint64_t>(size.width, 1, from.width);
  size.height = std::clamp<std::uint64_t>(size.height, 1, from.height);
  return {.x = (from.width - size.width) / 2,
          .y = (from.height - size.height) / 2,
          .width = size.width,
          .height = size.height};
}

}  // namespace

std::uint64_t KeyedRandom::next() noexcept {
  state_ += 0x9E3779B97F4A7C15;
  std::uint64_t x = state_;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

double KeyedRandom::uniform() noexcept {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

std::uint64_t KeyedRandom::below(std::uint64_t count) noexcept {
  return ((next() >> 32) * count) >> 32;
}

double between_by_ratio(double low, double high, double place) noexcept {
  constexpr int kBits = 32;
  double factor = high / low;  // to the power of the bit that comes next
  double result = low;
  for (int bit = 0; bit < kBits; ++bit) {
    factor = std::sqrt(factor);
    place *= 2;
    if (place >= 1) {
      place -= 1;
      result *= factor;
    }
  }
  return result;
}

Region draw_crop(const RandomCrop& crop, const ImageSize& from, KeyedRandom& random) noexcept {
  constexpr int kAttempts = 10;
  const auto area = static_cast<double>(from.width * from.height);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double share = crop.min_scale + (crop.max_scale - crop.min_scale) * random.uniform();
    const double ratio = between_by_ratio(crop.min_ratio, crop.max_ratio, random.uniform());
    const std::uint64_t width = rounded(std::sqrt(area * share * ratio));
    const std::uint64_t height = rounded(std::sqrt(area * share / ratio));
    if (width > 0 && width <= from.width && height > 0 && height <= from.height) {
      const std::uint64_t y = random.below(from.height - height + 1);
      const std::uint64_t x = random.below(from.width - width + 1);
      return {.x = x, .y = y, .width = width, .height = height};
    }
  }
  return middle_of(crop, from);
}

}  // namespace headrace::sources
