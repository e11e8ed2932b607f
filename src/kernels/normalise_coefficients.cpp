// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "kernels/expand.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

namespace headrace::kernels {
namespace {

void check(bool is_valid, const std::string& message) {
  if (!is_valid) {
    throw Error(ErrorCode::invalid_argument, message);
  }
}

// As "%g" prints it: at most six digits, however large.
std::string text_of(double number) {
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%g", number);
  return {text.data(), static_cast<std::size_t>(length)};
}

// `value` rounded to float, where it fits.
float coefficient(double value, double mean, double stddev) {
  check(std::abs(value) <= std::numeric_limits<float>::max(),
        "The mean " + text_of(mean) + " and standard deviation " + text_of(stddev) +
            " give a coefficient beyond the largest float32, 3.4e38.");
  return static_cast<float>(value);
}

}  // namespace

void normalise_coefficients(DataType from,
                            std::span<const double> mean,
                            std::span<const double> stddev,
                            std::span<float> scale,
                            std::span<float> bias) {
  const std::size_t channels = mean.size();
  check(stddev.size() == channels,
        "The normalisation has " + std::to_string(channels) + " means but " +
            std::to_string(stddev.size()) + " standard deviations.");
  check(scale.size() == channels && bias.size() == channels,
        "The normalisation has " + std::to_string(channels) + " means for " +
            std::to_string(scale.size()) + " scales and " + std::to_string(bias.size()) +
            " biases.");
  const double unit = from == DataType::uint8 ? 255.0 : 1.0;
  // Every channel is checked before the first is written.
  for (const bool is_writing : {false, true}) {
    for (std::size_t i = 0; i < channels; ++i) {
      check(std::isfinite(mean[i]),
            "The mean of channel " + std::to_string(i) + " is " + text_of(mean[i]) +
                "; it must be finite.");
      check(std::isfinite(stddev[i]) && stddev[i] > 0,
            "The standard deviation of channel " + std::to_string(i) + " is " + text_of(stddev[i]) +
                "; it must be finite and above 0.");
      const float factor = coefficient(1.0 / (unit * stddev[i]), mean[i], stddev[i]);
      const float summand = coefficient(-mean[i] / stddev[i], mean[i], stddev[i]);
      if (is_writing) {
        scale[i] = factor;
        bias[i] = summand;
      }
    }
  }
}

}  // namespace headrace::kernels
