// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace headrace {

/// Element type of a tensor.
enum class DataType : std::uint8_t {
  float32,
  int32,
  float16,  ///< IEEE 754 binary16.
  int8,
  bfloat16,  ///< The upper half of a binary32.
  float64,
  int64,
  int16,
  uint8,
  uint16,
  uint32,
  uint64,
  boolean,      ///< One byte, 0 or 1.
  float8_e4m3,  ///< OCP 8-bit floating point E4M3 (e4m3fn): no infinities, largest value 448.
  float8_e5m2,  ///< OCP 8-bit floating point E5M2: infinities, largest finite value 57344.
};

/// Every DataType, in the order of the enumeration.
inline constexpr std::array kAllDataTypes{DataType::float32,
                                          DataType::int32,
                                          DataType::float16,
                                          DataType::int8,
                                          DataType::bfloat16,
                                          DataType::float64,
                                          DataType::int64,
                                          DataType::int16,
                                          DataType::uint8,
                                          DataType::uint16,
                                          DataType::uint32,
                                          DataType::uint64,
                                          DataType::boolean,
                                          DataType::float8_e4m3,
                                          DataType::float8_e5m2};

/// Bytes of one element.
HEADRACE_EXPORT std::size_t size_of(DataType dtype) noexcept;

/// Name as in the enumeration: "float32", "boolean", ...
HEADRACE_EXPORT std::string_view to_string(DataType dtype) noexcept;

/// Reads a name written by `to_string`.
///
/// \throws Error  `invalid_argument` when no type has that name; the text lists the names.
HEADRACE_EXPORT DataType parse_data_type(std::string_view name);

/// True for float32, float16, bfloat16, float64 and both float8 types.
HEADRACE_EXPORT bool is_floating_point(DataType dtype) noexcept;

/// An element type in DLPack's terms (`DLDataType`: type code, bits of one lane, lanes).
/// Codes: https://dmlc.github.io/dlpack/latest/c_api.html (kDLInt 0, kDLUInt 1, kDLFloat 2,
/// kDLBfloat 4, kDLComplex 5, kDLBool 6, kDLFloat8_e4m3fn 10, kDLFloat8_e5m2 12).
struct DLPackType {
  std::uint8_t code = 0;
  std::uint8_t bits = 0;
  std::uint16_t lanes = 1;
  friend bool operator==(const DLPackType&, const DLPackType&) = default;
};

/// The DLPack type of `dtype`.
HEADRACE_EXPORT DLPackType to_dlpack(DataType dtype) noexcept;

/// The DataType of a DLPack type.
///
/// \throws Error  `unsupported` for complex, vector lanes, and any type that DataType lacks.
HEADRACE_EXPORT DataType from_dlpack(DLPackType type);

namespace detail {
HEADRACE_EXPORT std::uint16_t float16_from_float(float value) noexcept;
HEADRACE_EXPORT float float16_to_float(std::uint16_t bits) noexcept;
HEADRACE_EXPORT std::uint16_t bfloat16_from_float(float value) noexcept;
HEADRACE_EXPORT float bfloat16_to_float(std::uint16_t bits) noexcept;
HEADRACE_EXPORT std::uint8_t float8_e4m3_from_float(float value) noexcept;
HEADRACE_EXPORT float float8_e4m3_to_float(std::uint8_t bits) noexcept;
HEADRACE_EXPORT std::uint8_t float8_e5m2_from_float(float value) noexcept;
HEADRACE_EXPORT float float8_e5m2_to_float(std::uint8_t bits) noexcept;

/// Storage and conversions shared by the small floating-point types, which derive from it.
template <class Derived,
          class Bits,
          Bits (*FromFloat)(float) noexcept,
          float (*ToFloat)(Bits) noexcept>
struct SmallFloat {
  Bits bits = 0;

  SmallFloat() = default;
  /// Rounds to nearest, ties to even.
  explicit SmallFloat(float value) noexcept : bits(FromFloat(value)) {}
  /// Exact.
  explicit operator float() const noexcept { return ToFloat(bits); }

  /// The value whose encoding is `encoding`.
  static Derived from_bits(Bits encoding) noexcept {
    Derived result;
    result.bits = encoding;
    return result;
  }
  /// Compares values as IEEE 754 does: NaN differs from itself, -0 equals +0.
  friend bool operator==(SmallFloat a, SmallFloat b) noexcept { return float(a) == float(b); }
};
}  // namespace detail

/// IEEE 754 binary16; out of range rounds to infinity.
struct float16
    : detail::
          SmallFloat<float16, std::uint16_t, detail::float16_from_float, detail::float16_to_float> {
  using SmallFloat::SmallFloat;
};
/// Brain floating point: binary32's range, 8 bits of precision.
struct bfloat16 : detail::SmallFloat<bfloat16,
                                     std::uint16_t,
                                     detail::bfloat16_from_float,
                                     detail::bfloat16_to_float> {
  using SmallFloat::SmallFloat;
};
/// OCP E4M3 (e4m3fn); out of range becomes NaN.
struct float8_e4m3 : detail::SmallFloat<float8_e4m3,
                                        std::uint8_t,
                                        detail::float8_e4m3_from_float,
                                        detail::float8_e4m3_to_float> {
  using SmallFloat::SmallFloat;
};
/// OCP E5M2; out of range becomes infinity.
struct float8_e5m2 : detail::SmallFloat<float8_e5m2,
                                        std::uint8_t,
                                        detail::float8_e5m2_from_float,
                                        detail::float8_e5m2_to_float> {
  using SmallFloat::SmallFloat;
};

namespace detail {
template <class T>
constexpr DataType integer_data_type() noexcept {
  constexpr std::array kSigned{DataType::int8, DataType::int16, DataType::int32, DataType::int64};
  constexpr std::array kUnsigned{
      DataType::uint8, DataType::uint16, DataType::uint32, DataType::uint64};
  constexpr auto kIndex = static_cast<std::size_t>(std::countr_zero(sizeof(T)));
  return std::is_signed_v<T> ? kSigned[kIndex] : kUnsigned[kIndex];
}
template <class T>
struct DataTypeOf {};
template <std::integral T>
struct DataTypeOf<T> {
  static constexpr DataType value = integer_data_type<T>();
};
template <DataType Value>
struct DataTypeIs {
  static constexpr DataType value = Value;
};
template <>
struct DataTypeOf<bool> : DataTypeIs<DataType::boolean> {};
template <>
struct DataTypeOf<float> : DataTypeIs<DataType::float32> {};
template <>
struct DataTypeOf<double> : DataTypeIs<DataType::float64> {};
template <>
struct DataTypeOf<float16> : DataTypeIs<DataType::float16> {};
template <>
struct DataTypeOf<bfloat16> : DataTypeIs<DataType::bfloat16> {};
template <>
struct DataTypeOf<float8_e4m3> : DataTypeIs<DataType::float8_e4m3> {};
template <>
struct DataTypeOf<float8_e5m2> : DataTypeIs<DataType::float8_e5m2> {};
}  // namespace detail

/// A C++ type that is the element type of some DataType.
template <class T>
concept Element = requires {
  detail::DataTypeOf<std::remove_cv_t<T>>::value;
};

/// The DataType whose elements are of type `T`.
template <Element T>
inline constexpr DataType data_type_of = detail::DataTypeOf<std::remove_cv_t<T>>::value;

}  // namespace headrace
