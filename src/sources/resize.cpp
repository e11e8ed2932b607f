// SPDX-License-Identifier: Apache-2.0
#include "sources/resize.h"

#include <algorithm>
#include <cmath>

namespace headrace::sources {
namespace {

constexpr std::size_t kChannels = 3;

}  // namespace

void Axis::plan(const AxisView& view, std::uint64_t shrink) {
  // All below is in pixels of the picture that there is, from the first that may be used.
  const auto times = static_cast<double>(shrink);
  const std::uint64_t origin = view.begin / shrink;
  const std::uint64_t end = (view.begin + view.length + shrink - 1) / shrink;
  const double offset = static_cast<double>(view.begin - origin * shrink) / times;
  const double scale = static_cast<double>(view.length) / times / static_cast<double>(view.resized);
  const double reach = std::max(scale, 1.0);  // of the triangle to either side
  pixels_.clear();
  weights_.clear();
  for (std::uint64_t i = 0; i < view.kept; ++i) {
    const double centre = offset + (static_cast<double>(view.cut + i) + 0.5) * scale;
    const auto first = static_cast<std::uint64_t>(std::max(centre - reach + 0.5, 0.0));
    const auto last =
        std::min(static_cast<std::uint64_t>(std::floor(centre + reach + 0.5)), end - origin);
    exact_.clear();
    double total = 0;
    for (std::uint64_t pixel = first; pixel < last; ++pixel) {
      const double distance = std::abs((static_cast<double>(pixel) - centre + 0.5) / reach);
      exact_.push_back(std::max(1.0 - distance, 0.0));
      total += exact_.back();
    }
    pixels_.push_back({.first = static_cast<std::uint32_t>(origin + first),
                       .count = static_cast<std::uint32_t>(last - first),
                       .weights = static_cast<std::uint32_t>(weights_.size())});
    for (const double weight : exact_) {
      constexpr double kOne = std::int32_t{1} << kernels::kResampleBits;
      weights_.push_back(static_cast<std::int32_t>(std::floor(weight / total * kOne + 0.5)));
    }
    while (weights_.size() % kernels::kResampleGroup != 0) {
      weights_.push_back(0);
    }
  }
}

Region Resizer::begin(const ImageView& view, std::uint64_t shrink) {
  columns_.plan(view.x, shrink);
  rows_.plan(view.y, shrink);
  row_count_ = 0;
  const Region needed{.x = columns_.begin(),
                      .y = rows_.begin(),
                      .width = columns_.end() - columns_.begin(),
                      .height = rows_.end() - rows_.begin()};
  narrow_.resize(needed.height * view.x.kept * kChannels + 1);
  return needed;
}

void Resizer::take(const std::uint8_t* row) {
  const std::size_t row_bytes = columns_.pixels().size() * kChannels;
  kernels::resample_row(
      row, columns_.pixels(), columns_.weights(), narrow_.data() + row_count_++ * row_bytes);
}

void Resizer::finish(std::uint8_t* to) {
  const std::size_t row_bytes = columns_.pixels().size() * kChannels;
  for (const kernels::ResamplePixel& pixel : rows_.pixels()) {
    kernels::blend_rows(narrow_.data() + (pixel.first - rows_.begin()) * row_bytes,
                        row_bytes,
                        rows_.weights() + pixel.weights,
                        pixel.count,
                        to);
    to += row_bytes;
  }
}

}  // namespace headrace::sources
