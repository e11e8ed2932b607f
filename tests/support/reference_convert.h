// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// The conversion rules a second time, slowly and by another way, for tests to compare with. A value
// is an integer times a power of two; a floating-point encoding is found by bisection over all
// encodings of the format. There is no floating-point arithmetic and no rounding bit here.

namespace headrace::reference {

enum class Kind { number, infinity, nan };

/// (-1)^is_negative * mantissa * 2^exponent.
struct Exact {
  Kind kind = Kind::number;
  bool is_negative = false;
  std::uint64_t mantissa = 0;
  int exponent = 0;
};

struct FloatFormat {
  int exponent_bits = 0;
  int fraction_bits = 0;
  bool has_infinity = true;

  int sign_place() const { return exponent_bits + fraction_bits; }
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  /// The first encoding that is no number: infinity, or NaN where there is no infinity.
  std::uint64_t first_special() const {
    const std::uint64_t last = (std::uint64_t{1} << sign_place()) - 1;
    return has_infinity ? last - ((std::uint64_t{1} << fraction_bits) - 1) : last;
  }
  /// Positive and quiet, with no other payload.
  std::uint64_t canonical_nan() const {
    return has_infinity ? first_special() + (std::uint64_t{1} << (fraction_bits - 1))
                        : first_special();
  }
};

inline FloatFormat float_format(DataType dtype) {
  switch (dtype) {
    case DataType::float64:
      return {11, 52};
    case DataType::float32:
      return {8, 23};
    case DataType::float16:
      return {5, 10};
    case DataType::bfloat16:
      return {8, 7};
    case DataType::float8_e4m3:
      return {4, 3, false};
    default:
      return {5, 2};
  }
}

/// The number that a positive encoding stands for, were all encodings numbers.
inline Exact number(const FloatFormat& format, std::uint64_t encoding) {
  const std::uint64_t hidden = std::uint64_t{1} << format.fraction_bits;
  const std::uint64_t fraction = encoding % hidden;
  const int field = static_cast<int>(encoding / hidden);
  const int lowest = 1 - format.bias() - format.fraction_bits;
  if (field == 0) {
    return {Kind::number, false, fraction, lowest};
  }
  return {Kind::number, false, hidden + fraction, lowest + field - 1};
}

/// -1, 0 or 1 as |a| is less than, equal to or greater than |b|; both are numbers.
inline int compare_magnitudes(Exact a, Exact b) {
  if (a.mantissa == 0 || b.mantissa == 0) {
    return static_cast<int>(a.mantissa != 0) - static_cast<int>(b.mantissa != 0);
  }
  for (Exact* value : {&a, &b}) {
    const int zeros = std::countl_zero(value->mantissa);
    value->mantissa <<= zeros;
    value->exponent -= zeros;
  }
  if (a.exponent != b.exponent) {
    return a.exponent < b.exponent ? -1 : 1;
  }
  return a.mantissa == b.mantissa ? 0 : (a.mantissa < b.mantissa ? -1 : 1);
}

/// Halfway between a positive encoding and the next one.
inline Exact midpoint(const FloatFormat& format, std::uint64_t encoding) {
  Exact result = number(format, encoding);
  result.mantissa = 2 * result.mantissa + 1;
  result.exponent -= 1;
  return result;
}

inline Exact read_float(const FloatFormat& format, std::uint64_t bits) {
  const std::uint64_t encoding = bits % (std::uint64_t{1} << format.sign_place());
  Exact result = number(format, encoding);
  result.is_negative = encoding != bits;
  if (encoding >= format.first_special()) {
    const bool is_infinity = format.has_infinity && encoding == format.first_special();
    result.kind = is_infinity ? Kind::infinity : Kind::nan;
  }
  return result;
}

inline std::uint64_t write_float(const FloatFormat& format, const Exact& value) {
  if (value.kind == Kind::nan) {
    return format.canonical_nan();
  }
  std::uint64_t above = format.first_special();
  std::uint64_t nearest = above;
  if (value.kind == Kind::number && compare_magnitudes(value, number(format, above)) < 0) {
    std::uint64_t below = 0;
    while (above - below > 1) {
      const std::uint64_t middle = below + (above - below) / 2;
      (compare_magnitudes(value, number(format, middle)) < 0 ? above : below) = middle;
    }
    const int side = compare_magnitudes(value, midpoint(format, below));
    nearest = side == 0 ? below + below % 2 : (side < 0 ? below : above);
  }
  return nearest + (value.is_negative ? std::uint64_t{1} << format.sign_place() : 0);
}

inline bool is_signed_integer(DataType dtype) {
  return dtype == DataType::int8 || dtype == DataType::int16 || dtype == DataType::int32 ||
         dtype == DataType::int64;
}

inline Exact read_integer(DataType dtype, std::uint64_t bits) {
  const int sign_place = static_cast<int>(size_of(dtype)) * 8 - 1;
  const bool is_negative = is_signed_integer(dtype) && (bits >> sign_place) % 2 == 1;
  const std::uint64_t range = std::uint64_t{2} << sign_place;  // 0 stands for 2^64
  return {Kind::number, is_negative, is_negative ? range - bits : bits, 0};
}

inline std::uint64_t write_integer(DataType dtype, const Exact& value) {
  const int width = static_cast<int>(size_of(dtype)) * 8;
  const std::uint64_t all_ones = ~std::uint64_t{0} >> (64 - width);
  std::uint64_t limit = all_ones;
  if (is_signed_integer(dtype)) {
    limit = all_ones / 2 + (value.is_negative ? 1 : 0);
  } else if (value.is_negative) {
    limit = 0;
  }
  if (value.kind == Kind::nan) {
    return 0;
  }
  std::uint64_t magnitude = value.mantissa;
  int exponent = value.exponent;
  for (; exponent < 0 && magnitude != 0; ++exponent) {
    magnitude /= 2;
  }
  for (; exponent > 0 && magnitude != 0 && magnitude <= limit; --exponent) {
    magnitude = magnitude > ~std::uint64_t{0} / 2 ? ~std::uint64_t{0} : 2 * magnitude;
  }
  if (magnitude > limit || value.kind == Kind::infinity) {
    magnitude = limit;
  }
  return (value.is_negative ? 0 - magnitude : magnitude) & all_ones;
}

inline Exact read(DataType dtype, std::uint64_t bits) {
  if (dtype == DataType::boolean) {
    return {Kind::number, false, bits == 0 ? 0U : 1U, 0};
  }
  return is_floating_point(dtype) ? read_float(float_format(dtype), bits)
                                  : read_integer(dtype, bits);
}

inline std::uint64_t write(DataType dtype, const Exact& value) {
  if (dtype == DataType::boolean) {
    return value.kind != Kind::number || value.mantissa != 0 ? 1 : 0;
  }
  return is_floating_point(dtype) ? write_float(float_format(dtype), value)
                                  : write_integer(dtype, value);
}

/// What converting the element with the bits `bits` must give.
inline std::uint64_t convert(DataType from, std::uint64_t bits, DataType to) {
  return from == to ? bits : write(to, read(from, bits));
}

/// The bits of the element at `address`.
inline std::uint64_t load(DataType dtype, const std::byte* address) {
  const auto read_as = [address]<class Bits>(Bits bits) -> std::uint64_t {
    std::memcpy(&bits, address, sizeof(bits));
    return bits;
  };
  switch (size_of(dtype)) {
    case 1:
      return read_as(std::uint8_t{});
    case 2:
      return read_as(std::uint16_t{});
    case 4:
      return read_as(std::uint32_t{});
    default:
      return read_as(std::uint64_t{});
  }
}

/// Writes the low bits of `bits` as an element at `address`.
inline void store(DataType dtype, std::uint64_t bits, std::byte* address) {
  const auto write_as = [address, bits]<class Bits>(Bits) {
    const auto low = static_cast<Bits>(bits);
    std::memcpy(address, &low, sizeof(low));
  };
  switch (size_of(dtype)) {
    case 1:
      return write_as(std::uint8_t{});
    case 2:
      return write_as(std::uint16_t{});
    case 4:
      return write_as(std::uint32_t{});
    default:
      return write_as(std::uint64_t{});
  }
}

}  // namespace headrace::reference
