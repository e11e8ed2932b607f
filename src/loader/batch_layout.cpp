// SPDX-License-Identifier: Apache-2.0
#include "loader/batch_layout.h"

#include "headrace/error.h"

#include "core/size_class.h"
#include "core/storage.h"
#include "kernels/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::loader {

namespace {

/// The extents that `expand` works on. The last dimension is the channels, but [height, width] is
/// one channel. All that is before the channels counts as one row of pixels, unless the layout says
/// which dimension is the height.
ExpandSpec extents_of(const Shape& shape, Layout layout) {
  ExpandSpec spec;
  if (layout == Layout::chw) {
    if (shape.rank() != 2 && shape.rank() != 3) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("Layout chw needs inputs of shape [height, width, channels] or "
                              "[height, width]; they are {}.",
                              shape.to_string()));
    }
    spec.height = shape[0];
    spec.width = shape[1];
    spec.channels = shape.rank() == 3 ? shape[2] : 1;
    spec.to_planar = true;
    return spec;
  }
  spec.channels = shape.empty() || shape.rank() == 2 ? 1 : shape[shape.rank() - 1];
  spec.width = spec.channels == 0 ? 0 : shape.element_count() / spec.channels;
  return spec;
}

std::vector<double> one_per_channel(const std::vector<double>& values,
                                    double otherwise,
                                    std::int64_t channels,
                                    const char* what) {
  const auto count = static_cast<std::size_t>(channels);
  if (values.size() <= 1) {
    return std::vector<double>(count, values.empty() ? otherwise : values[0]);
  }
  if (values.size() != count) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} has {} values; the inputs have {} {}.",
                            what,
                            values.size(),
                            channels,
                            channels == 1 ? "channel" : "channels"));
  }
  return values;
}

Shape planar_shape(const ExpandSpec& spec) {
  return {spec.channels, spec.height, spec.width};
}

}  // namespace

BatchLayout::BatchLayout(const SampleSpec& spec, std::size_t rows, const OutputSpec& output) {
  append("input", spec.input_shape, spec.input_dtype, rows);
  append("label", spec.label_shape, spec.label_dtype, rows);
  for (const SampleSpec::Field& field : spec.fields) {
    if (std::ranges::count(spec.fields, field.name, &SampleSpec::Field::name) > 1) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("The source has two fields '{}'.", field.name));
    }
    append(field.name, field.shape, field.dtype, rows);
  }
  plan_output(output, rows);
}

void BatchLayout::append(std::string name, const Shape& shape, DataType dtype, std::size_t rows) {
  Part part{std::move(name), shape, dtype, core::byte_size(shape, dtype), packed_bytes_};
  const std::size_t bytes =
      core::checked_round_up(core::checked_multiply(part.row_bytes, rows), core::kGranule);
  if (packed_bytes_ + bytes < bytes) {
    throw Error(ErrorCode::invalid_argument, "A batch does not fit in 64 bits of bytes.");
  }
  packed_bytes_ += bytes;
  row_bytes_ += part.row_bytes;
  parts_.push_back(std::move(part));
}

void BatchLayout::plan_output(const OutputSpec& output, std::size_t rows) {
  output_ = input();
  const bool normalises = !output.mean.empty() || !output.stddev.empty();
  const DataType dtype = output.dtype.value_or(normalises ? DataType::float32 : input().dtype);
  if (dtype == input().dtype && !normalises && output.layout != Layout::chw) {
    return;
  }
  ExpandSpec spec = extents_of(input().shape, output.layout);
  spec.from = input().dtype;
  spec.to = dtype;
  if (normalises) {
    const auto mean = one_per_channel(output.mean, 0.0, spec.channels, "mean");
    const auto stddev = one_per_channel(output.stddev, 1.0, spec.channels, "stddev");
    spec.scale.resize(mean.size());
    spec.bias.resize(mean.size());
    kernels::normalise_coefficients(spec.from, mean, stddev, spec.scale, spec.bias);
  }
  output_.dtype = dtype;
  output_.shape = spec.to_planar ? planar_shape(spec) : input().shape;
  output_.row_bytes = core::byte_size(output_.shape, dtype);
  output_.offset = 0;
  expanded_bytes_ = core::checked_multiply(output_.row_bytes, rows);
  expand_ = std::make_shared<const ExpandSpec>(std::move(spec));
}

}  // namespace headrace::loader
