// SPDX-License-Identifier: Apache-2.0
// The loops of resizing, on every set of instructions, against the sums written out.
#include "kernels/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace headrace::test {
namespace {

using kernels::Level;
using kernels::ResamplePixel;

constexpr std::int64_t kOne = std::int64_t{1} << kernels::kResampleBits;

std::uint8_t rounded(std::int64_t sum) {
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>((sum + kOne / 2) >> 22, 0, 255));
}

/// Random weights of which no sum is above 1 by more than rounding makes it.
std::vector<std::int32_t> random_weights(std::size_t count, std::mt19937& random) {
  std::vector<double> shares(count);
  double total = 0;
  for (double& share : shares) {
    share = random() % 4 == 0 ? 0 : 1 + random() % 1000;
    total += share;
  }
  std::vector<std::int32_t> weights;
  for (const double share : shares) {
    weights.push_back(static_cast<std::int32_t>(share / std::max(total, 1.0) * kOne + 0.5));
  }
  return weights;
}

std::vector<std::uint8_t> random_bytes(std::size_t count, std::mt19937& random) {
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& byte : bytes) {
    const auto value = random();
    byte = value % 8 == 0 ? 255 : static_cast<std::uint8_t>(value >> 8);
  }
  return bytes;
}

TEST(Resample, RowsAreTheSumsOfTheirPixels) {
  std::mt19937 random(1);
  for (const std::uint32_t width : {1U, 2U, 3U, 4U, 7U, 40U, 1000U}) {
    std::vector<ResamplePixel> pixels;
    std::vector<std::int32_t> weights;
    for (std::uint32_t i = 0; i < 200; ++i) {
      const std::uint32_t count = 1 + static_cast<std::uint32_t>(random()) % std::min(width, 300U);
      const auto first = static_cast<std::uint32_t>(random()) % (width - count + 1);
      pixels.push_back({first, count, static_cast<std::uint32_t>(weights.size())});
      const std::vector<std::int32_t> own =
          i == 0 ? std::vector<std::int32_t>{static_cast<std::int32_t>(kOne)}
                 : random_weights(count, random);
      weights.insert(weights.end(), own.begin(), own.end());
      weights.resize((weights.size() + 3) / 4 * 4);
      pixels.back().count = static_cast<std::uint32_t>(own.size());
    }
    std::vector<std::uint8_t> row = random_bytes(width * 3, random);
    std::vector<std::uint8_t> wanted;
    for (const ResamplePixel& pixel : pixels) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        std::int64_t sum = 0;
        for (std::size_t tap = 0; tap < pixel.count; ++tap) {
          sum +=
              std::int64_t{row[(pixel.first + tap) * 3 + channel]} * weights[pixel.weights + tap];
        }
        wanted.push_back(rounded(sum));
      }
    }
    row.resize(row.size() + kernels::kResampleSlack, 255);
    for (const Level level : kernels::levels()) {
      std::vector<std::uint8_t> found(pixels.size() * 3 + 1);
      kernels::resample_row(row.data(), pixels, weights.data(), found.data(), level);
      found.pop_back();
      EXPECT_EQ(found, wanted) << "level " << static_cast<int>(level) << ", width " << width;
    }
  }
}

TEST(Resample, BlendedRowsAreTheSumsOfTheirBytes) {
  std::mt19937 random(2);
  for (const std::size_t bytes : {1U, 3U, 63U, 64U, 65U, 127U, 672U}) {
    for (const std::size_t taps : {1U, 2U, 5U, 300U}) {
      const std::vector<std::uint8_t> rows = random_bytes(bytes * taps, random);
      const std::vector<std::int32_t> weights = random_weights(taps, random);
      std::vector<std::uint8_t> wanted;
      for (std::size_t i = 0; i < bytes; ++i) {
        std::int64_t sum = 0;
        for (std::size_t tap = 0; tap < taps; ++tap) {
          sum += std::int64_t{rows[tap * bytes + i]} * weights[tap];
        }
        wanted.push_back(rounded(sum));
      }
      for (const Level level : kernels::levels()) {
        std::vector<std::uint8_t> found(bytes);
        kernels::blend_rows(rows.data(), bytes, weights.data(), taps, found.data(), level);
        EXPECT_EQ(found, wanted) << "level " << static_cast<int>(level) << ", " << bytes << " of "
                                 << taps;
      }
    }
  }
}

}  // namespace
}  // namespace headrace::test
