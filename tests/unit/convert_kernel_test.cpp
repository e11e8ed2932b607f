// SPDX-License-Identifier: Apache-2.0
#include "headrace/data_type.h"

#include "edge_values.h"
#include "kernels/convert.h"
#include "reference_convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace headrace {
namespace {

std::vector<std::byte> pack(DataType dtype, const std::vector<std::uint64_t>& elements) {
  std::vector<std::byte> bytes(elements.size() * size_of(dtype));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    reference::store(dtype, elements[i], bytes.data() + i * size_of(dtype));
  }
  return bytes;
}

// Converts with every set of instructions and says which element, if any, is not the reference's.
void expect_as_reference(DataType from, const std::vector<std::uint64_t>& elements, DataType to) {
  const std::vector<std::byte> source = pack(from, elements);
  std::vector<std::vector<std::byte>> targets;
  for (const kernels::Level level : kernels::levels()) {
    std::vector<std::byte>& target =
        targets.emplace_back(elements.size() * size_of(to), std::byte{0x55});
    kernels::convert(source.data(), from, target.data(), to, elements.size(), level);
    EXPECT_EQ(target, targets.front())
        << to_string(from) << " to " << to_string(to) << ", level " << static_cast<int>(level);
  }
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::uint64_t actual = reference::load(to, targets.front().data() + i * size_of(to));
    const std::uint64_t expected = reference::convert(from, elements[i], to);
    ASSERT_EQ(actual, expected) << std::hex << to_string(from) << " 0x" << elements[i] << " became "
                                << to_string(to) << " 0x" << actual << ", not 0x" << expected;
  }
}

template <Element From, Element To>
To converted(From value) {
  To result{};
  kernels::convert(reinterpret_cast<const std::byte*>(&value),
                   data_type_of<From>,
                   reinterpret_cast<std::byte*>(&result),
                   data_type_of<To>,
                   1);
  return result;
}

class ConvertKernel : public testing::TestWithParam<DataType> {};

std::string name_of(const testing::TestParamInfo<DataType>& info) {
  return std::string(to_string(info.param));
}

INSTANTIATE_TEST_SUITE_P(From, ConvertKernel, testing::ValuesIn(kAllDataTypes), name_of);

TEST_P(ConvertKernel, MatchesReferenceForEveryTarget) {
  const std::vector<std::uint64_t> elements = reference::telling_elements(GetParam());
  for (const DataType to : kAllDataTypes) {
    expect_as_reference(GetParam(), elements, to);
  }
}

// Every count up to one that fills the widest vectors, and those around the blocks of a detour.
std::vector<std::size_t> telling_counts() {
  std::vector<std::size_t> counts(71);
  std::iota(counts.begin(), counts.end(), std::size_t{0});
  counts.insert(counts.end(), {127, 128, 129, 511, 512, 513, 1537});
  return counts;
}

// Converts `count` elements from and to places `offset` bytes off, with a guard behind.
void expect_guarded(DataType from,
                    const std::vector<std::byte>& elements,
                    DataType to,
                    const std::vector<std::byte>& expected,
                    std::size_t count,
                    kernels::Level level) {
  constexpr std::byte kGuard{0xa5};
  const std::size_t offset = count % 8;
  std::vector<std::byte> source(offset + count * size_of(from));
  std::copy_n(elements.data(), count * size_of(from), source.data() + offset);
  std::vector<std::byte> target(offset + count * size_of(to) + 64, kGuard);
  kernels::convert(source.data() + offset, from, target.data() + offset, to, count, level);

  std::vector<std::byte> wanted(target.size(), kGuard);
  std::copy_n(expected.data(), count * size_of(to), wanted.data() + offset);
  ASSERT_EQ(target, wanted) << to_string(from) << " to " << to_string(to) << ", " << count
                            << ", level " << static_cast<int>(level);
}

TEST_P(ConvertKernel, AnyAlignmentAndCountGiveTheSameAndTouchNothingElse) {
  const std::vector<std::size_t> counts = telling_counts();
  const DataType from = GetParam();
  std::vector<std::uint64_t> elements;
  reference::append_random(from, counts.back(), elements);
  elements.resize(counts.back());
  for (const DataType to : kAllDataTypes) {
    std::vector<std::uint64_t> results;
    for (const std::uint64_t element : elements) {
      results.push_back(reference::convert(from, element, to));
    }
    const std::vector<std::byte> source = pack(from, elements);
    const std::vector<std::byte> expected = pack(to, results);
    for (const std::size_t count : counts) {
      for (const kernels::Level level : kernels::levels()) {
        expect_guarded(from, source, to, expected, count, level);
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

TEST_P(ConvertKernel, NoElementsNeedNoMemory) {
  for (const DataType to : kAllDataTypes) {
    kernels::convert(nullptr, GetParam(), nullptr, to, 0);
  }
}

TEST_P(ConvertKernel, SameTypeKeepsEveryBit) {
  const std::vector<std::byte> source = pack(GetParam(), reference::telling_elements(GetParam()));
  std::vector<std::byte> target(source.size());
  kernels::convert(
      source.data(), GetParam(), target.data(), GetParam(), source.size() / size_of(GetParam()));
  EXPECT_EQ(target, source);
}

// What follows is written down by hand, so that a mistake made twice shows.

TEST(ConvertKernelRules, Float64RoundsOnceToSmallFormats) {
  // Just above a tie: through float32 the small part is lost, and the tie goes down to even.
  EXPECT_EQ((converted<double, float16>(1.0 + 0x1p-11 + 0x1p-40).bits), 0x3c01);
  EXPECT_EQ((converted<double, float16>(1.0 + 0x1p-11).bits), 0x3c00);
  EXPECT_EQ((converted<double, float16>(1.0 + 0x1.8p-10 - 0x1p-40).bits), 0x3c01);
  EXPECT_EQ((converted<double, bfloat16>(1.0 + 0x1p-8 + 0x1p-40).bits), 0x3f81);
  EXPECT_EQ((converted<double, float8_e4m3>(1.0 + 0x1p-4 + 0x1p-40).bits), 0x39);
  EXPECT_EQ((converted<double, float8_e5m2>(1.0 + 0x1p-3 + 0x1p-40).bits), 0x3d);
}

TEST(ConvertKernelRules, WideIntegersRoundOnce) {
  constexpr std::int64_t kTie = (std::int64_t{1} << 62) + (std::int64_t{1} << 54);
  EXPECT_EQ((converted<std::int64_t, bfloat16>(kTie).bits), 0x5e80);
  EXPECT_EQ((converted<std::int64_t, bfloat16>(kTie + 1).bits), 0x5e81);
  EXPECT_EQ((converted<std::int64_t, bfloat16>(-kTie - 1).bits), 0xde81);
  EXPECT_EQ((converted<std::uint64_t, bfloat16>((std::uint64_t{1} << 63) + 1).bits), 0x5f00);
  EXPECT_EQ((converted<std::int32_t, bfloat16>((1 << 30) + (1 << 22) + 1).bits), 0x4e81);
  EXPECT_EQ((converted<std::int64_t, float>((std::int64_t{1} << 62) + (std::int64_t{1} << 38) + 1)),
            0x1.000002p62F);
  EXPECT_EQ((converted<std::int64_t, double>((std::int64_t{1} << 53) + 1)), 0x1p53);
  EXPECT_EQ((converted<std::int64_t, double>((std::int64_t{1} << 53) + 3)), 0x1p53 + 4);
}

TEST(ConvertKernelRules, OverflowIsInfinityOrNaN) {
  EXPECT_EQ((converted<float, float16>(65519.996F).bits), 0x7bff);
  EXPECT_EQ((converted<float, float16>(65520.0F).bits), 0x7c00);
  EXPECT_EQ((converted<std::int32_t, float16>(-65520).bits), 0xfc00);
  EXPECT_EQ((converted<double, float>(-1e300)), -std::numeric_limits<float>::infinity());
  EXPECT_EQ((converted<float, bfloat16>(std::numeric_limits<float>::max()).bits), 0x7f80);
  EXPECT_EQ((converted<float, float8_e5m2>(61440.0F).bits), 0x7c);
  EXPECT_EQ((converted<float, float8_e5m2>(61439.996F).bits), 0x7b);
  EXPECT_EQ((converted<float, float8_e4m3>(464.0F).bits), 0x7e);
  EXPECT_EQ((converted<float, float8_e4m3>(464.00003F).bits), 0x7f);
  EXPECT_EQ((converted<float, float8_e4m3>(-500.0F).bits), 0xff);
  EXPECT_EQ((converted<float, float8_e4m3>(-std::numeric_limits<float>::infinity()).bits), 0xff);
}

TEST(ConvertKernelRules, NaNBecomesThePositiveQuietOne) {
  const float nan = std::bit_cast<float>(0xffa00001U);  // negative, signalling, with a payload
  EXPECT_EQ((converted<float, float16>(nan).bits), 0x7e00);
  EXPECT_EQ((converted<float, bfloat16>(nan).bits), 0x7fc0);
  EXPECT_EQ((converted<float, float8_e4m3>(nan).bits), 0x7f);
  EXPECT_EQ((converted<float, float8_e5m2>(nan).bits), 0x7e);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(converted<float, double>(nan)), 0x7ff8000000000000U);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(converted<float16, float>(float16::from_bits(0xfc01))),
            0x7fc00000U);
}

TEST(ConvertKernelRules, IntegersTruncateAndSaturate) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ((converted<float, std::int8_t>(-1.999F)), -1);
  EXPECT_EQ((converted<float, std::uint8_t>(-0.999F)), 0);
  EXPECT_EQ((converted<float, std::uint8_t>(255.999F)), 255);
  EXPECT_EQ((converted<float, std::uint8_t>(256.0F)), 255);
  EXPECT_EQ((converted<float, std::uint8_t>(-300.0F)), 0);
  EXPECT_EQ((converted<float, std::int32_t>(0x1p31F)), 2147483647);
  EXPECT_EQ((converted<float, std::int32_t>(-0x1p31F)), -2147483647 - 1);
  EXPECT_EQ((converted<float, std::int32_t>(0x1.fffffep30F)), 2147483520);
  EXPECT_EQ((converted<double, std::int64_t>(kInfinity)), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((converted<double, std::uint64_t>(0x1p64)), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ((converted<double, std::uint64_t>(-1.0)), 0U);
  EXPECT_EQ((converted<float, std::int64_t>(kNan)), 0);
  EXPECT_EQ((converted<float, std::uint16_t>(kNan)), 0);
  EXPECT_EQ((converted<std::int32_t, std::uint8_t>(-1)), 0);
  EXPECT_EQ((converted<std::int32_t, std::uint8_t>(256)), 255);
  EXPECT_EQ((converted<std::uint64_t, std::int64_t>(~std::uint64_t{0})),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((converted<std::int64_t, std::uint64_t>(-1)), 0U);
  EXPECT_EQ((converted<std::int64_t, std::int32_t>(std::numeric_limits<std::int64_t>::min())),
            std::numeric_limits<std::int32_t>::min());
}

TEST(ConvertKernelRules, BooleanIsNonZero) {
  EXPECT_TRUE((converted<float, bool>(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE((converted<float, bool>(std::numeric_limits<float>::denorm_min())));
  EXPECT_FALSE((converted<float, bool>(-0.0F)));
  EXPECT_FALSE((converted<float16, bool>(float16::from_bits(0x8000))));
  EXPECT_TRUE((converted<std::uint64_t, bool>(std::uint64_t{1} << 63)));
  const std::byte two{2};
  float value = 0;
  kernels::convert(
      &two, DataType::boolean, reinterpret_cast<std::byte*>(&value), DataType::float32, 1);
  EXPECT_EQ(value, 1.0F);
}

}  // namespace
}  // namespace headrace
