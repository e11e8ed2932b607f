// SPDX-License-Identifier: Apache-2.0
#include "headrace/data_type.h"
#include "headrace/error.h"

#include "kernels/expand.h"
#include "reference_convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace headrace::kernels {

// For messages of failing tests.
void PrintTo(const ExpandShape& shape, std::ostream* out) {
  *out << shape.samples << " x " << shape.height << " x " << shape.width << " x " << shape.channels
       << (shape.to_planar ? " to planar, " : ", ") << to_string(shape.from) << " to "
       << to_string(shape.to);
}

namespace {

struct Coefficients {
  std::vector<float> scale;
  std::vector<float> bias;
};

std::size_t count_of(const ExpandShape& shape) {
  return static_cast<std::size_t>(shape.samples * shape.height * shape.width * shape.channels);
}

// Ordinary values mostly, all kinds of bit patterns for the rest.
std::vector<std::byte> random_batch(const ExpandShape& shape) {
  std::mt19937_64 random(count_of(shape));
  std::vector<std::byte> batch(count_of(shape) * size_of(shape.from));
  for (std::size_t i = 0; i < count_of(shape); ++i) {
    std::uint64_t bits = random();
    if (i % 4 != 0) {
      bits = reference::convert(DataType::int64, bits % 512 - 128, shape.from);
    }
    reference::store(shape.from, bits, batch.data() + i * size_of(shape.from));
  }
  return batch;
}

Coefficients random_coefficients(std::int64_t channels) {
  std::mt19937_64 random(static_cast<std::uint64_t>(channels));
  std::uniform_real_distribution<float> value(-3.0F, 3.0F);
  Coefficients result;
  for (std::int64_t i = 0; i < channels; ++i) {
    result.scale.push_back(value(random) / 255.0F);
    result.bias.push_back(value(random));
  }
  return result;
}

// A product of floats is exact as double; a sum of floats rounded to double and then to float is
// the sum rounded once (53 >= 2 * 24 + 2). So each step here rounds exactly once.
float normalised(float x, float scale, float bias) {
  const auto product = static_cast<float>(static_cast<double>(x) * static_cast<double>(scale));
  const auto sum = static_cast<float>(static_cast<double>(product) + static_cast<double>(bias));
  return std::isnan(sum) ? std::bit_cast<float>(0x7fc00000U) : sum;
}

float float32_of(DataType dtype, std::uint64_t bits) {
  const std::uint64_t wide = reference::convert(dtype, bits, DataType::float32);
  return std::bit_cast<float>(static_cast<std::uint32_t>(wide));
}

std::uint64_t expected_bits(const ExpandShape& shape,
                            std::uint64_t bits,
                            const Coefficients& coefficients,
                            std::size_t channel) {
  if (coefficients.scale.empty()) {
    return reference::convert(shape.from, bits, shape.to);
  }
  const float result = normalised(
      float32_of(shape.from, bits), coefficients.scale[channel], coefficients.bias[channel]);
  return reference::convert(DataType::float32, std::bit_cast<std::uint32_t>(result), shape.to);
}

// Expands with every set of instructions, `offset` bytes off and guarded; each must do the same.
std::vector<std::byte> expanded(const ExpandShape& shape,
                                const std::vector<std::byte>& batch,
                                const Coefficients& coefficients,
                                std::size_t offset) {
  constexpr std::byte kGuard{0xa5};
  std::vector<std::byte> source(offset + batch.size());
  std::copy(batch.begin(), batch.end(), source.begin() + static_cast<std::ptrdiff_t>(offset));
  std::vector<std::vector<std::byte>> results;
  for (const Level level : levels()) {
    std::vector<std::byte> target(count_of(shape) * size_of(shape.to) + 2 * offset, kGuard);
    expand(source.data() + offset,
           target.data() + offset,
           shape,
           coefficients.scale,
           coefficients.bias,
           level);
    for (std::size_t i = 0; i < offset; ++i) {
      EXPECT_EQ(target[i], kGuard);
      EXPECT_EQ(target[target.size() - 1 - i], kGuard);
    }
    const std::byte* first = target.data() + offset;
    results.emplace_back(first, first + target.size() - 2 * offset);
    EXPECT_EQ(results.back(), results.front())
        << testing::PrintToString(shape) << ", level " << static_cast<int>(level);
  }
  return results.front();
}

void expect_as_reference(const ExpandShape& shape,
                         const Coefficients& coefficients,
                         std::size_t offset = 1) {
  const std::vector<std::byte> batch = random_batch(shape);
  const std::vector<std::byte> target = expanded(shape, batch, coefficients, offset);
  const auto channels = static_cast<std::size_t>(shape.channels);
  const auto pixels = static_cast<std::size_t>(shape.height * shape.width);
  for (std::size_t i = 0; i < count_of(shape); ++i) {
    const std::size_t channel = i % channels;
    const std::size_t pixel = i / channels % pixels;
    const std::size_t sample = i / channels / pixels;
    const std::size_t place = shape.to_planar ? (sample * channels + channel) * pixels + pixel : i;
    const std::uint64_t bits = reference::load(shape.from, batch.data() + i * size_of(shape.from));
    const std::byte* address = target.data() + place * size_of(shape.to);
    ASSERT_EQ(reference::load(shape.to, address), expected_bits(shape, bits, coefficients, channel))
        << testing::PrintToString(shape) << (coefficients.scale.empty() ? "" : ", normalised")
        << ", element " << i;
  }
}

class ExpandKernel : public testing::TestWithParam<DataType> {};

std::string name_of(const testing::TestParamInfo<DataType>& info) {
  return std::string(to_string(info.param));
}

INSTANTIATE_TEST_SUITE_P(From, ExpandKernel, testing::ValuesIn(kAllDataTypes), name_of);

TEST_P(ExpandKernel, MatchesReferenceForEveryTarget) {
  const Coefficients coefficients = random_coefficients(3);
  for (const DataType to : kAllDataTypes) {
    for (const bool to_planar : {false, true}) {
      for (const std::int64_t width : {5, 171}) {
        const ExpandShape shape{2, 3, width, 3, to_planar, GetParam(), to};
        expect_as_reference(shape, coefficients);
        expect_as_reference(shape, {});
      }
    }
  }
}

TEST(ExpandKernelShapes, AnyNumberOfChannelsAndPixels) {
  for (const DataType from : {DataType::uint8, DataType::int16}) {
    for (const std::int64_t channels : {1, 2, 3, 4, 5, 17, 767, 768, 769, 1601}) {
      for (const std::int64_t width : {1, 2, 97, 769}) {
        for (const bool to_planar : {false, true}) {
          if (width * channels > 100000) {
            continue;
          }
          const ExpandShape shape{2, 1, width, channels, to_planar, from, DataType::float16};
          expect_as_reference(shape, random_coefficients(channels));
          expect_as_reference(shape, {});
        }
      }
    }
  }
}

TEST(ExpandKernelShapes, RowsOfAnyLengthAtAnyAlignment) {
  for (const DataType from : {DataType::uint8, DataType::uint16, DataType::float32}) {
    for (std::int64_t width = 1; width <= 70; ++width) {
      for (const std::int64_t channels : {2, 3, 4}) {
        for (const bool to_planar : {false, true}) {
          const ExpandShape shape{2, 1, width, channels, to_planar, from, DataType::float16};
          expect_as_reference(
              shape, random_coefficients(channels), static_cast<std::size_t>(width % 8));
          ASSERT_FALSE(testing::Test::HasFatalFailure());
        }
      }
    }
  }
}

TEST(ExpandKernelShapes, ManySmallSamples) {
  for (const bool to_planar : {false, true}) {
    const ExpandShape shape{1500, 1, 2, 3, to_planar, DataType::uint8, DataType::float32};
    expect_as_reference(shape, random_coefficients(3));
    expect_as_reference(shape, {});
  }
}

TEST(ExpandKernelShapes, NoElementsNeedNoMemory) {
  const Coefficients three = random_coefficients(3);
  for (const bool to_planar : {false, true}) {
    expand(nullptr, nullptr, {.samples = 0, .to_planar = to_planar}, {}, {});
    const ExpandShape flat{4, 0, 7, 3, to_planar, DataType::uint8, DataType::float32};
    expand(nullptr, nullptr, flat, three.scale, three.bias);
    const ExpandShape colourless{4, 5, 7, 0, to_planar, DataType::uint8, DataType::float32};
    expand(nullptr, nullptr, colourless, {}, {});
  }
}

TEST(ExpandKernelRounding, ProductAndSumAreRoundedApart) {
  const ExpandShape shape{1, 1, 256, 1, false, DataType::uint8, DataType::float32};
  std::vector<std::byte> source(256);
  for (std::size_t i = 0; i < source.size(); ++i) {
    source[i] = static_cast<std::byte>(i);
  }
  const std::vector<float> scale{static_cast<float>(1 / (255 * 0.229))};
  const std::vector<float> bias{static_cast<float>(-0.485 / 0.229)};
  for (const Level level : levels()) {
    std::vector<float> target(256);
    std::byte* to = std::as_writable_bytes(std::span(target)).data();
    expand(source.data(), to, shape, scale, bias, level);
    int distinguishing = 0;
    for (std::size_t i = 0; i < target.size(); ++i) {
      const auto x = static_cast<float>(i);
      EXPECT_EQ(target[i], normalised(x, scale[0], bias[0])) << i;
      distinguishing += std::fma(x, scale[0], bias[0]) != target[i] ? 1 : 0;
    }
    EXPECT_GT(distinguishing, 20) << "the values would not show a contracted operation";
  }
}

TEST(ExpandKernelRounding, InvalidOperationsGiveThePositiveQuietNaN) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> source{kInfinity, -kInfinity, std::bit_cast<float>(0xffc01234U), 1.0F};
  const std::vector<float> zero{0.0F};
  std::vector<std::uint32_t> target(4);
  const ExpandShape shape{1, 2, 2, 1, false, DataType::float32, DataType::float32};
  for (const Level level : levels()) {
    expand(std::as_bytes(std::span(source)).data(),
           std::as_writable_bytes(std::span(target)).data(),
           shape,
           zero,
           zero,
           level);
    EXPECT_EQ(target, (std::vector<std::uint32_t>{0x7fc00000, 0x7fc00000, 0x7fc00000, 0}));
  }
}

class NormaliseCoefficients : public testing::Test {
 protected:
  void compute(DataType from, const std::vector<double>& mean, const std::vector<double>& stddev) {
    normalise_coefficients(from, mean, stddev, scale_, bias_);
  }
  // The message of the error that `compute` throws.
  std::string refusal(const std::vector<double>& mean, const std::vector<double>& stddev) {
    try {
      compute(DataType::uint8, mean, stddev);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_EQ(scale_, untouched_) << "a refused call wrote coefficients";
      EXPECT_EQ(bias_, untouched_) << "a refused call wrote coefficients";
      return error.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
  }

  std::vector<float> untouched_ = {-7.0F, -7.0F};
  std::vector<float> scale_ = untouched_;
  std::vector<float> bias_ = untouched_;
};

TEST_F(NormaliseCoefficients, Uint8IsInUnitsOfZeroToOne) {
  compute(DataType::uint8, {0.485, 0.5}, {0.229, 0.25});
  EXPECT_EQ(scale_[0], static_cast<float>(1.0 / (255.0 * 0.229)));
  EXPECT_EQ(bias_[0], static_cast<float>(-0.485 / 0.229));
  EXPECT_EQ(scale_[1], static_cast<float>(4.0 / 255.0));
  EXPECT_EQ(bias_[1], -2.0F);
}

TEST_F(NormaliseCoefficients, OtherTypesAreInTheirOwnUnits) {
  for (const DataType from : {DataType::float32, DataType::int8, DataType::uint16}) {
    compute(from, {3.0, 0.1}, {2.0, 0.3});
    EXPECT_EQ(scale_, (std::vector<float>{0.5F, static_cast<float>(1.0 / 0.3)}));
    EXPECT_EQ(bias_, (std::vector<float>{-1.5F, static_cast<float>(-0.1 / 0.3)}));
  }
}

TEST_F(NormaliseCoefficients, RefusesNumbersOutOfRange) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_NE(refusal({0, 0}, {1, 0}).find("standard deviation of channel 1"), std::string::npos);
  EXPECT_NE(refusal({0, 0}, {1, -2}).find("-2"), std::string::npos);
  EXPECT_NE(refusal({0, 0}, {kNan, 1}).find("nan"), std::string::npos);
  EXPECT_NE(refusal({0, 0}, {1, kInfinity}).find("inf"), std::string::npos);
  EXPECT_NE(refusal({0, kInfinity}, {1, 1}).find("mean of channel 1"), std::string::npos);
  EXPECT_NE(refusal({kNan, 0}, {1, 1}).find("mean of channel 0"), std::string::npos);
  EXPECT_NE(refusal({0, 0}, {1, 1e-60}).find("float32"), std::string::npos);
  EXPECT_NE(refusal({0, 1e30}, {1, 1e-30}).find("float32"), std::string::npos);
}

TEST_F(NormaliseCoefficients, RefusesDifferentSizes) {
  EXPECT_NE(refusal({0, 0}, {1}).find("1 standard deviation"), std::string::npos);
  EXPECT_NE(refusal({0}, {1}).find("2 scales"), std::string::npos);
}

}  // namespace
}  // namespace headrace::kernels
