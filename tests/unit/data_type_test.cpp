// SPDX-License-Identifier: Apache-2.0
#include "headrace/data_type.h"

#include "headrace/error.h"

#include "reference_convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace headrace {
namespace {

static_assert(data_type_of<float> == DataType::float32);
static_assert(data_type_of<const double> == DataType::float64);
static_assert(data_type_of<std::int8_t> == DataType::int8);
static_assert(data_type_of<std::uint16_t> == DataType::uint16);
static_assert(data_type_of<std::int64_t> == DataType::int64);
static_assert(data_type_of<long long> == DataType::int64);
static_assert(data_type_of<bool> == DataType::boolean);
static_assert(data_type_of<float16> == DataType::float16);
static_assert(data_type_of<float8_e5m2> == DataType::float8_e5m2);
static_assert(!Element<std::string> && !Element<long double> && !Element<int*>);

// What `work` throws; its code must be `code`.
template <class Work>
std::string refusal(ErrorCode code, Work work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

TEST(DataType, NamesAreReadBack) {
  std::set<std::string_view> names;
  for (const DataType dtype : kAllDataTypes) {
    EXPECT_EQ(parse_data_type(to_string(dtype)), dtype);
    names.insert(to_string(dtype));
  }
  EXPECT_EQ(names.size(), 15U);
  EXPECT_EQ(to_string(DataType::float8_e4m3), "float8_e4m3");
  EXPECT_EQ(to_string(DataType::boolean), "boolean");
  EXPECT_EQ(to_string(DataType::uint16), "uint16");
}

TEST(DataType, UnknownNameIsRefusedWithTheNames) {
  for (const std::string_view name : {"", "float", "Float32", "float32 ", "complex64"}) {
    const std::string message =
        refusal(ErrorCode::invalid_argument, [&] { parse_data_type(name); });
    EXPECT_NE(message.find("'" + std::string(name) + "'"), std::string::npos) << message;
    for (const DataType dtype : kAllDataTypes) {
      EXPECT_NE(message.find(to_string(dtype)), std::string::npos) << message;
    }
  }
}

TEST(DataType, SizesAreThoseOfTheElements) {
  EXPECT_EQ(size_of(DataType::float64), 8U);
  EXPECT_EQ(size_of(DataType::int64), 8U);
  EXPECT_EQ(size_of(DataType::uint64), 8U);
  EXPECT_EQ(size_of(DataType::float32), sizeof(float));
  EXPECT_EQ(size_of(DataType::int32), 4U);
  EXPECT_EQ(size_of(DataType::uint32), 4U);
  EXPECT_EQ(size_of(DataType::float16), sizeof(float16));
  EXPECT_EQ(size_of(DataType::bfloat16), sizeof(bfloat16));
  EXPECT_EQ(size_of(DataType::int16), 2U);
  EXPECT_EQ(size_of(DataType::uint16), 2U);
  EXPECT_EQ(size_of(DataType::int8), 1U);
  EXPECT_EQ(size_of(DataType::uint8), 1U);
  EXPECT_EQ(size_of(DataType::boolean), sizeof(bool));
  EXPECT_EQ(size_of(DataType::float8_e4m3), sizeof(float8_e4m3));
  EXPECT_EQ(size_of(DataType::float8_e5m2), sizeof(float8_e5m2));
}

TEST(DataType, SixAreFloatingPoint) {
  std::set<DataType> floating;
  for (const DataType dtype : kAllDataTypes) {
    if (is_floating_point(dtype)) {
      floating.insert(dtype);
    }
  }
  EXPECT_EQ(floating,
            (std::set{DataType::float32,
                      DataType::float16,
                      DataType::bfloat16,
                      DataType::float64,
                      DataType::float8_e4m3,
                      DataType::float8_e5m2}));
}

TEST(DataType, DLPackBothWays) {
  for (const DataType dtype : kAllDataTypes) {
    EXPECT_EQ(from_dlpack(to_dlpack(dtype)), dtype);
    EXPECT_EQ(to_dlpack(dtype).bits, 8 * size_of(dtype));
    EXPECT_EQ(to_dlpack(dtype).lanes, 1);
  }
  // Written down from dlpack.h.
  EXPECT_EQ(to_dlpack(DataType::int8), (DLPackType{0, 8, 1}));
  EXPECT_EQ(to_dlpack(DataType::uint64), (DLPackType{1, 64, 1}));
  EXPECT_EQ(to_dlpack(DataType::float16), (DLPackType{2, 16, 1}));
  EXPECT_EQ(to_dlpack(DataType::bfloat16), (DLPackType{4, 16, 1}));
  EXPECT_EQ(to_dlpack(DataType::boolean), (DLPackType{6, 8, 1}));
  EXPECT_EQ(to_dlpack(DataType::float8_e4m3), (DLPackType{10, 8, 1}));
  EXPECT_EQ(to_dlpack(DataType::float8_e5m2), (DLPackType{12, 8, 1}));
}

TEST(DataType, DLPackTypesWithoutCounterpartAreRefused) {
  const auto message_for = [](DLPackType type) {
    return refusal(ErrorCode::unsupported, [type] { from_dlpack(type); });
  };
  EXPECT_NE(message_for({5, 64, 1}).find("complex"), std::string::npos);
  EXPECT_NE(message_for({5, 128, 1}).find("128 bits"), std::string::npos);
  EXPECT_NE(message_for({2, 32, 4}).find("4 lanes"), std::string::npos);
  EXPECT_NE(message_for({2, 32, 0}).find("0 lanes"), std::string::npos);
  EXPECT_NE(message_for({0, 128, 1}).find("code 0"), std::string::npos);
  EXPECT_NE(message_for({11, 8, 1}).find("code 11"), std::string::npos);
  message_for({0, 4, 1});
  message_for({3, 64, 1});
  message_for({4, 32, 1});
}

// Every encoding to float and back, and every boundary between two encodings from float.
template <class Small>
class SmallFloatType : public testing::Test {};

using SmallFloatTypes = testing::Types<float16, bfloat16, float8_e4m3, float8_e5m2>;
TYPED_TEST_SUITE(SmallFloatType, SmallFloatTypes);

float float_of(const reference::Exact& value) {
  const std::uint64_t bits = reference::write(DataType::float32, value);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}

TYPED_TEST(SmallFloatType, EveryEncodingHasItsValueAndComesBack) {
  using Small = TypeParam;
  using Bits = decltype(Small::bits);
  constexpr DataType kType = data_type_of<Small>;
  for (unsigned code = 0; code <= std::numeric_limits<Bits>::max(); ++code) {
    const auto bits = static_cast<Bits>(code);
    const auto value = static_cast<float>(Small::from_bits(bits));
    const std::uint64_t expected = reference::convert(kType, bits, DataType::float32);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value), expected) << std::hex << code;
    const std::uint64_t back = reference::convert(DataType::float32, expected, kType);
    ASSERT_EQ(Small(value).bits, back) << std::hex << code;
    if (value == value) {
      ASSERT_EQ(Small(value).bits, bits) << std::hex << code;
    }
  }
}

TYPED_TEST(SmallFloatType, RoundsToNearestEvenAtEveryBoundary) {
  using Small = TypeParam;
  using Bits = decltype(Small::bits);
  const reference::FloatFormat format = reference::float_format(data_type_of<Small>);
  for (std::uint64_t below = 0; below < format.first_special(); ++below) {
    const float tie = float_of(reference::midpoint(format, below));
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::uint64_t even = below % 2 == 0 ? below : below + 1;
    ASSERT_EQ(Small(tie).bits, even) << std::hex << below;
    ASSERT_EQ(Small(std::nextafter(tie, 0.0F)).bits, below) << std::hex << below;
    ASSERT_EQ(Small(std::nextafter(tie, kInfinity)).bits, below + 1) << std::hex << below;
    const auto sign = static_cast<Bits>(std::uint64_t{1} << format.sign_place());
    ASSERT_EQ(Small(-tie).bits, even | sign) << std::hex << below;
  }
}

TYPED_TEST(SmallFloatType, ComparesAsValues) {
  using Small = TypeParam;
  static_assert(std::is_trivially_copyable_v<Small>);
  static_assert(std::is_same_v<decltype(Small::from_bits(0)), Small>);
  EXPECT_EQ(Small{}.bits, 0);
  EXPECT_EQ(Small(0.0F), Small(-0.0F));
  EXPECT_NE(Small(1.0F), Small(2.0F));
  const Small nan(std::numeric_limits<float>::quiet_NaN());
  EXPECT_FALSE(nan == nan);
}

TEST(SmallFloat, KnownEncodings) {
  EXPECT_EQ(float16(1.0F).bits, 0x3c00);
  EXPECT_EQ(float16(-2.0F).bits, 0xc000);
  EXPECT_EQ(float16(65504.0F).bits, 0x7bff);
  EXPECT_EQ(float16(0x1p-24F).bits, 0x0001);
  EXPECT_EQ(bfloat16(1.0F).bits, 0x3f80);
  EXPECT_EQ(bfloat16(3.14159274F).bits, 0x4049);
  EXPECT_EQ(float8_e4m3(448.0F).bits, 0x7e);
  EXPECT_EQ(float8_e4m3(0x1p-9F).bits, 0x01);
  EXPECT_EQ(float8_e5m2(57344.0F).bits, 0x7b);
  EXPECT_EQ(float8_e5m2(0x1p-16F).bits, 0x01);
}

TEST(ErrorCode, HasNames) {
  EXPECT_EQ(to_string(ErrorCode::invalid_argument), "invalid_argument");
  EXPECT_EQ(to_string(ErrorCode::out_of_memory), "out_of_memory");
  EXPECT_EQ(to_string(ErrorCode::internal), "internal");
}

}  // namespace
}  // namespace headrace
