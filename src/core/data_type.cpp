// SPDX-License-Identifier: Apache-2.0
#include "headrace/data_type.h"

#include "headrace/error.h"

#include "kernels/small_float.h"

#include <string>

namespace headrace {
namespace {

// DLPack's type codes (dlpack.h, `DLDataTypeCode`).
constexpr std::uint8_t kSigned = 0;
constexpr std::uint8_t kUnsigned = 1;
constexpr std::uint8_t kFloat = 2;
constexpr std::uint8_t kBfloat = 4;
constexpr std::uint8_t kComplex = 5;
constexpr std::uint8_t kBool = 6;
constexpr std::uint8_t kFloat8E4m3fn = 10;
constexpr std::uint8_t kFloat8E5m2 = 12;

struct Facts {
  DataType dtype;
  std::string_view name;
  DLPackType dlpack;
};

constexpr std::array<Facts, kAllDataTypes.size()> kFacts{{
    {DataType::float32, "float32", {kFloat, 32, 1}},
    {DataType::int32, "int32", {kSigned, 32, 1}},
    {DataType::float16, "float16", {kFloat, 16, 1}},
    {DataType::int8, "int8", {kSigned, 8, 1}},
    {DataType::bfloat16, "bfloat16", {kBfloat, 16, 1}},
    {DataType::float64, "float64", {kFloat, 64, 1}},
    {DataType::int64, "int64", {kSigned, 64, 1}},
    {DataType::int16, "int16", {kSigned, 16, 1}},
    {DataType::uint8, "uint8", {kUnsigned, 8, 1}},
    {DataType::uint16, "uint16", {kUnsigned, 16, 1}},
    {DataType::uint32, "uint32", {kUnsigned, 32, 1}},
    {DataType::uint64, "uint64", {kUnsigned, 64, 1}},
    {DataType::boolean, "boolean", {kBool, 8, 1}},
    {DataType::float8_e4m3, "float8_e4m3", {kFloat8E4m3fn, 8, 1}},
    {DataType::float8_e5m2, "float8_e5m2", {kFloat8E5m2, 8, 1}},
}};

consteval bool is_in_order() {
  for (std::size_t i = 0; i < kFacts.size(); ++i) {
    if (kFacts[i].dtype != kAllDataTypes[i] || static_cast<std::size_t>(kFacts[i].dtype) != i) {
      return false;
    }
  }
  return true;
}
static_assert(is_in_order(), "kFacts is indexed by the value of a DataType");

// Null for a value that is none of the enumeration's.
constexpr const Facts* facts_of(DataType dtype) noexcept {
  const auto index = static_cast<std::size_t>(dtype);
  return index < kFacts.size() ? &kFacts[index] : nullptr;
}

std::string all_names() {
  std::string names;
  for (const Facts& facts : kFacts) {
    names += names.empty() ? "" : ", ";
    names += facts.name;
  }
  return names;
}

}  // namespace

std::size_t size_of(DataType dtype) noexcept {
  const Facts* facts = facts_of(dtype);
  return facts == nullptr ? 0 : facts->dlpack.bits / std::size_t{8};
}

std::string_view to_string(DataType dtype) noexcept {
  const Facts* facts = facts_of(dtype);
  return facts == nullptr ? "unknown" : facts->name;
}

DataType parse_data_type(std::string_view name) {
  for (const Facts& facts : kFacts) {
    if (facts.name == name) {
      return facts.dtype;
    }
  }
  throw Error(
      ErrorCode::invalid_argument,
      "No data type is named '" + std::string(name) + "'; the names are " + all_names() + ".");
}

bool is_floating_point(DataType dtype) noexcept {
  switch (dtype) {
    case DataType::float32:
    case DataType::float16:
    case DataType::bfloat16:
    case DataType::float64:
    case DataType::float8_e4m3:
    case DataType::float8_e5m2:
      return true;
    default:
      return false;
  }
}

DLPackType to_dlpack(DataType dtype) noexcept {
  const Facts* facts = facts_of(dtype);
  return facts == nullptr ? DLPackType{} : facts->dlpack;
}

DataType from_dlpack(DLPackType type) {
  for (const Facts& facts : kFacts) {
    if (facts.dlpack == type) {
      return facts.dtype;
    }
  }
  const std::string what = "The DLPack type with code " + std::to_string(type.code) + ", " +
                           std::to_string(type.bits) + " bits and " + std::to_string(type.lanes) +
                           " lanes ";
  if (type.code == kComplex) {
    throw Error(
        ErrorCode::unsupported,
        what + "is complex; Headrace has no complex data types, view it as pairs of reals.");
  }
  if (type.lanes != 1) {
    throw Error(ErrorCode::unsupported, what + "is a vector type; only 1 lane is supported.");
  }
  throw Error(ErrorCode::unsupported,
              what + "has no counterpart among the data types " + all_names() + ".");
}

namespace detail {

std::uint16_t float16_from_float(float value) noexcept {
  return kernels::round_to_small<kernels::Float16Format>(value);
}
float float16_to_float(std::uint16_t bits) noexcept {
  return kernels::small_to_float<kernels::Float16Format>(bits);
}
std::uint16_t bfloat16_from_float(float value) noexcept {
  return kernels::round_to_small<kernels::Bfloat16Format>(value);
}
float bfloat16_to_float(std::uint16_t bits) noexcept {
  return kernels::small_to_float<kernels::Bfloat16Format>(bits);
}
std::uint8_t float8_e4m3_from_float(float value) noexcept {
  return kernels::round_to_small<kernels::Float8E4m3Format>(value);
}
float float8_e4m3_to_float(std::uint8_t bits) noexcept {
  return kernels::small_to_float<kernels::Float8E4m3Format>(bits);
}
std::uint8_t float8_e5m2_from_float(float value) noexcept {
  return kernels::round_to_small<kernels::Float8E5m2Format>(value);
}
float float8_e5m2_to_float(std::uint8_t bits) noexcept {
  return kernels::small_to_float<kernels::Float8E5m2Format>(bits);
}

}  // namespace detail
}  // namespace headrace
