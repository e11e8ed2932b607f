// SPDX-License-Identifier: Apache-2.0
#include "cli/expected_input.h"

#include "cli/element.h"

#include <cstring>

namespace headrace::cli {
namespace {

double value_of(const std::vector<double>& values, std::size_t channel, double otherwise) {
  return values.empty() ? otherwise : values.size() == 1 ? values[0] : values.at(channel);
}

}  // namespace

ExpectedInput::ExpectedInput(const Shape& shape, DataType dtype, const OutputSpec& output)
    : from_(dtype), to_(dtype), shape_(shape), is_planar_(output.layout == Layout::chw) {
  const bool normalises = !output.mean.empty() || !output.stddev.empty();
  to_ = output.dtype.value_or(normalises ? DataType::float32 : dtype);
  const bool is_plane = shape.rank() == 2;  // height, width and no channels
  const std::int64_t channels = is_plane || shape.empty() ? 1 : shape[shape.rank() - 1];
  channels_ = static_cast<std::size_t>(channels);
  pixels_ = channels == 0 ? 0 : static_cast<std::size_t>(shape.element_count() / channels);
  if (is_planar_) {
    shape_ = Shape{channels, shape[0], shape[1]};
  }
  for (std::size_t i = 0; normalises && i < channels_; ++i) {
    const double stddev = value_of(output.stddev, i, 1);
    const double unit = dtype == DataType::uint8 ? 255 : 1;
    scale_.push_back(static_cast<float>(1 / (unit * stddev)));
    bias_.push_back(static_cast<float>(-value_of(output.mean, i, 0) / stddev));
  }
}

void ExpectedInput::make_element(const std::byte* from, std::size_t channel, std::byte* to) const {
  if (!scale_.empty()) {
    const float product = to_float(load_element(from_, from)) * scale_[channel];
    const float sum = product + bias_[channel];
    store_element(to_, static_cast<double>(sum), to);
  } else if (from_ == to_) {
    std::memcpy(to, from, size_of(from_));
  } else {
    store_element(to_, load_element(from_, from), to);
  }
}

std::vector<std::byte> ExpectedInput::make(std::span<const std::byte> raw) const {
  if (scale_.empty() && from_ == to_ && !is_planar_) {
    return {raw.begin(), raw.end()};
  }
  const std::size_t from_bytes = size_of(from_);
  const std::size_t to_bytes = size_of(to_);
  std::vector<std::byte> result(pixels_ * channels_ * to_bytes);
  for (std::size_t pixel = 0; pixel < pixels_; ++pixel) {
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      const std::size_t from = pixel * channels_ + channel;
      const std::size_t to = is_planar_ ? channel * pixels_ + pixel : from;
      make_element(raw.data() + from * from_bytes, channel, result.data() + to * to_bytes);
    }
  }
  return result;
}

}  // namespace headrace::cli
