// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "kernels/level.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::kernels {

/// What `expand` does to a batch. All products of the extents must fit in memory.
struct ExpandShape {
  std::int64_t samples = 0;
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t channels = 1;
  bool to_planar = false;  ///< Write each sample as channels x height x width.
  DataType from = DataType::uint8;
  DataType to = DataType::float32;
};

/// Converts a batch of samples of height x width x channels on the calling thread.
///
/// With coefficients, an element x of channel c becomes `x * scale[c] + bias[c]`: x is rounded to
/// float32, the product is rounded to float32, the sum is rounded to float32, and the result is
/// converted to `shape.to`; multiplication and addition are never contracted into one operation.
/// Without coefficients, elements are converted as `convert` does it.
///
/// Threads: safe from any thread; allocates nothing. Needs what `convert` needs.
///
/// \param source  The batch, interleaved, at any alignment.
/// \param target  Room for as many elements of type `shape.to`; must not overlap.
/// \param scale   One factor a channel, or empty.
/// \param bias    One summand a channel; empty when `scale` is.
/// \param level   Instructions to use, which the processor must have; the results are the same.
void expand(const std::byte* source,
            std::byte* target,
            const ExpandShape& shape,
            std::span<const float> scale,
            std::span<const float> bias,
            Level level = best_level()) noexcept;

/// Computes the coefficients that subtract a mean and divide by a standard deviation.
///
/// For uint8 samples both are in units of 0 to 1: scale = 1 / (255 * stddev). For other types scale
/// = 1 / stddev. In both cases bias = -mean / stddev. Computed as double, rounded to float last.
///
/// \param mean    One finite number a channel.
/// \param stddev  One finite, positive number a channel.
/// \param scale   Receives one factor a channel.
/// \param bias    Receives one summand a channel.
/// \throws Error  `invalid_argument` when the sizes differ, when a number is out of its range, and
///                when a coefficient would not be a finite float. Nothing is written then.
void normalise_coefficients(DataType from,
                            std::span<const double> mean,
                            std::span<const double> stddev,
                            std::span<float> scale,
                            std::span<float> bias);

}  // namespace headrace::kernels
