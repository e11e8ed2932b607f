// SPDX-License-Identifier: Apache-2.0
#include "sources/resize.h"

#include <algorithm>
#include <cmath>

namespace headrace::sources {
namespace {

constexpr std::size_t kChannels = 3;

/// Bits behind the point of a weight: 8 are the pixel's, and 2 leave room for sums above 1.
constexpr int kWeightBits = 32 - 8 - 2;
constexpr std::int32_t kHalf = std::int32_t{1} << (kWeightBits - 1);

std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

/// Pixels cut away at the lower end of `extra`: half, an odd one to the even side (torchvision's
/// round), as it is seen after mirroring.
std::uint64_t cut_of(std::uint64_t extra, bool is_mirrored) {
  const std::uint64_t half = extra / 2;
  const std::uint64_t cut = half + (extra % 2 != 0 && half % 2 != 0 ? 1 : 0);
  return is_mirrored ? extra - cut : cut;
}

/// The smallest size of `from`'s proportions that covers `to`.
ImageSize covering(const ImageSize& from, const ImageSize& to) {
  if (from.width * to.height <= from.height * to.width) {
    return {to.width, to.width * from.height / from.width};
  }
  return {to.height * from.width / from.height, to.height};
}

}  // namespace

void Axis::plan(std::uint64_t from, std::uint64_t resized, std::uint64_t kept, bool is_mirrored) {
  const double scale = static_cast<double>(from) / static_cast<double>(resized);
  const double reach = std::max(scale, 1.0);  // of the triangle to either side
  const std::uint64_t cut = cut_of(resized - kept, is_mirrored);
  pixels_.clear();
  weights_.clear();
  for (std::uint64_t i = 0; i < kept; ++i) {
    const double centre = (static_cast<double>(cut + i) + 0.5) * scale;
    const auto first = static_cast<std::uint64_t>(std::max(centre - reach + 0.5, 0.0));
    const auto last = std::min(static_cast<std::uint64_t>(centre + reach + 0.5), from);
    exact_.clear();
    double total = 0;
    for (std::uint64_t pixel = first; pixel < last; ++pixel) {
      const double distance = std::abs((static_cast<double>(pixel) - centre + 0.5) / reach);
      exact_.push_back(std::max(1.0 - distance, 0.0));
      total += exact_.back();
    }
    pixels_.push_back({.first = first, .count = last - first, .weights = weights_.size()});
    for (const double weight : exact_) {
      constexpr double kOne = std::int32_t{1} << kWeightBits;
      weights_.push_back(static_cast<std::int32_t>(weight / total * kOne + 0.5));
    }
  }
}

void Resizer::begin(const ImageSize& from,
                    const ImageSize& to,
                    bool is_mirrored_x,
                    bool is_mirrored_y) {
  const ImageSize resized = covering(from, to);
  columns_.plan(from.width, resized.width, to.width, is_mirrored_x);
  rows_.plan(from.height, resized.height, to.height, is_mirrored_y);
  next_row_ = 0;
  narrow_.clear();
  narrow_.reserve((rows_.end() - rows_.begin()) * to.width * kChannels);
}

void Resizer::take(const std::uint8_t* row) {
  const std::uint64_t number = next_row_++;
  if (number < rows_.begin() || number >= rows_.end()) {
    return;
  }
  for (const Axis::Pixel& pixel : columns_.pixels()) {
    const std::int32_t* const weights = columns_.weights() + pixel.weights;
    const std::uint8_t* from = row + pixel.first * kChannels;
    std::int32_t red = kHalf;
    std::int32_t green = kHalf;
    std::int32_t blue = kHalf;
    for (std::uint64_t i = 0; i < pixel.count; ++i, from += kChannels) {
      red += from[0] * weights[i];
      green += from[1] * weights[i];
      blue += from[2] * weights[i];
    }
    narrow_.push_back(to_pixel(red));
    narrow_.push_back(to_pixel(green));
    narrow_.push_back(to_pixel(blue));
  }
}

void Resizer::finish(std::uint8_t* to) {
  const std::size_t row_bytes = columns_.pixels().size() * kChannels;
  for (const Axis::Pixel& pixel : rows_.pixels()) {
    sums_.assign(row_bytes, kHalf);
    const std::uint8_t* from = narrow_.data() + (pixel.first - rows_.begin()) * row_bytes;
    for (std::uint64_t i = 0; i < pixel.count; ++i, from += row_bytes) {
      const std::int32_t weight = rows_.weights()[pixel.weights + i];
      for (std::size_t k = 0; k < row_bytes; ++k) {
        sums_[k] += from[k] * weight;
      }
    }
    to = std::transform(sums_.begin(), sums_.end(), to, to_pixel);
  }
}

}  // namespace headrace::sources
