// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "kernels/small_float.h"

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

// The conversion of one element, for every pair of data types. docs/design/002-numerics.md has the
// rules. All of it is constexpr, so that device compilers can use it too.

namespace headrace::kernels {

/// Integer nearest to `value` towards zero; saturates; NaN gives 0.
template <std::integral Integer, std::floating_point Real>
constexpr Integer truncate(Real value) noexcept {
  constexpr Integer kMaximum = std::numeric_limits<Integer>::max();
  constexpr int kDigits = std::numeric_limits<Integer>::digits;
  constexpr bool kMaximumIsExact = kDigits <= std::numeric_limits<Real>::digits;
  // The largest value that may be cast: the maximum, or the last Real below 2^kDigits.
  constexpr Real kEnd = power_of_two<Real>(kDigits);
  constexpr Real kLast =
      kMaximumIsExact ? kEnd - Real{1} : kEnd - kEnd * std::numeric_limits<Real>::epsilon() / 2;
  constexpr Real kLowest = std::is_signed_v<Integer> ? -kEnd : Real{0};

  Real inside = value > kLowest ? value : kLowest;  // NaN goes here
  inside = inside < kLast ? inside : kLast;
  auto result = static_cast<Integer>(inside);
  if constexpr (!kMaximumIsExact) {
    result = value > kLast ? kMaximum : result;
  }
  return value == value ? result : Integer{0};
}

/// The value of type `To` that is nearest to `value`.
template <std::integral To, std::integral From>
constexpr To saturate(From value) noexcept {
  using ToLimits = std::numeric_limits<To>;
  using FromLimits = std::numeric_limits<From>;
  constexpr From kLow = std::cmp_less(FromLimits::min(), ToLimits::min())
                            ? static_cast<From>(ToLimits::min())
                            : FromLimits::min();
  constexpr From kHigh = std::cmp_greater(FromLimits::max(), ToLimits::max())
                             ? static_cast<From>(ToLimits::max())
                             : FromLimits::max();
  return static_cast<To>(std::clamp(value, kLow, kHigh));
}

/// `value`, or the nearest of -2^Bits and 2^Bits where it is beyond. As 32 bits, which every
/// processor converts to float.
template <int Bits, std::integral Integer>
constexpr std::int32_t clamp_magnitude(Integer value) noexcept {
  constexpr auto kHigh = Integer{1} << Bits;
  constexpr auto kLow = std::is_signed_v<Integer> ? -kHigh : Integer{0};
  return static_cast<std::int32_t>(std::clamp(value, kLow, kHigh));
}

/// `value` cut to 53 bits with the last bit set if anything was cut off ("round to odd").
///
/// Rounding the result again, to 51 bits or fewer, gives what rounding `value` once gives.
template <std::integral Integer>
constexpr double to_double_round_to_odd(Integer value) noexcept {
  constexpr std::uint64_t kCut = 0x7ff;
  constexpr std::uint64_t kLow = 0xffffffff;
  const std::uint64_t negative = std::cmp_less(value, 0) ? ~std::uint64_t{0} : 0;
  const std::uint64_t magnitude = (static_cast<std::uint64_t>(value) ^ negative) - negative;
  const std::uint64_t odd = (magnitude | ((magnitude & kCut) + kCut)) & ~kCut;
  const std::uint64_t kept = magnitude >> 53 == 0 ? magnitude : odd;
  // In halves, which are exact: few processors convert vectors of 64-bit integers.
  const double high = static_cast<double>(static_cast<std::uint32_t>(kept >> 32)) * 0x1p32;
  const double result = high + static_cast<double>(static_cast<std::uint32_t>(kept & kLow));
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(result) | (negative << 63));
}

/// Float, double: rounds once, to nearest even.
template <std::floating_point Real, class Value>
constexpr Real round_to_real(Value value) noexcept {
  const auto result = static_cast<Real>(value);
  if constexpr (std::floating_point<Value>) {
    using Bits = typename WideFormat<Real>::Bits;
    constexpr Bits kNan = sizeof(Real) == 4 ? kFloat32Nan : static_cast<Bits>(kFloat64Nan);
    return value == value ? result : std::bit_cast<Real>(kNan);
  }
  return result;
}

/// A small format: rounds once, to nearest even, whatever the type of `value`.
template <class Format, class Value>
constexpr typename Format::Bits round_once_to_small(Value value) noexcept {
  if constexpr (std::floating_point<Value>) {
    return round_to_small<Format>(value);
  } else if constexpr (sizeof(Value) == 1 && Format::kBias == WideFormat<float>::kBias) {
    // Eight bits fit in the fraction: nothing to round.
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    return static_cast<typename Format::Bits>(bits >> 16);
  } else if constexpr (sizeof(Value) <= 2) {
    return round_to_small<Format>(static_cast<float>(value));
  } else if constexpr (Format::kBias < WideFormat<float>::kBias) {
    // All of these formats end below 2^17, up to which float32 holds every integer.
    return round_to_small<Format>(static_cast<float>(clamp_magnitude<17>(value)));
  } else if constexpr (sizeof(Value) == 4) {
    return round_to_small<Format>(static_cast<double>(value));
  } else {
    return round_to_small<Format>(to_double_round_to_odd(value));
  }
}

/// How elements of a type are stored (`Raw`), read (`load`, to an arithmetic type that holds every
/// value exactly) and made from the arithmetic type of another (`store`).
template <class T>
struct NumberElement {
  using Raw = T;
  static constexpr T load(Raw raw) noexcept { return raw; }
  template <class Value>
  static constexpr Raw store(Value value) noexcept {
    if constexpr (std::floating_point<T>) {
      return round_to_real<T>(value);
    } else if constexpr (std::floating_point<Value>) {
      return truncate<T>(value);
    } else {
      return saturate<T>(value);
    }
  }
};

template <class Format>
struct SmallFloatElement {
  using Raw = typename Format::Bits;
  static constexpr float load(Raw raw) noexcept { return small_to_float<Format>(raw); }
  template <class Value>
  static constexpr Raw store(Value value) noexcept {
    return round_once_to_small<Format>(value);
  }
};

/// Stored as a byte, not as `bool`: reading a `bool` that is neither 0 nor 1 is undefined.
struct BooleanElement {
  using Raw = std::uint8_t;
  static constexpr std::uint8_t load(Raw raw) noexcept { return raw != 0 ? 1 : 0; }
  template <class Value>
  static constexpr Raw store(Value value) noexcept {
    return value != Value{0} ? 1 : 0;
  }
};

// clang-format off
template <DataType Type> struct Element;
template <> struct Element<DataType::float32> : NumberElement<float> {};
template <> struct Element<DataType::int32> : NumberElement<std::int32_t> {};
template <> struct Element<DataType::float16> : SmallFloatElement<Float16Format> {};
template <> struct Element<DataType::int8> : NumberElement<std::int8_t> {};
template <> struct Element<DataType::bfloat16> : SmallFloatElement<Bfloat16Format> {};
template <> struct Element<DataType::float64> : NumberElement<double> {};
template <> struct Element<DataType::int64> : NumberElement<std::int64_t> {};
template <> struct Element<DataType::int16> : NumberElement<std::int16_t> {};
template <> struct Element<DataType::uint8> : NumberElement<std::uint8_t> {};
template <> struct Element<DataType::uint16> : NumberElement<std::uint16_t> {};
template <> struct Element<DataType::uint32> : NumberElement<std::uint32_t> {};
template <> struct Element<DataType::uint64> : NumberElement<std::uint64_t> {};
template <> struct Element<DataType::boolean> : BooleanElement {};
template <> struct Element<DataType::float8_e4m3> : SmallFloatElement<Float8E4m3Format> {};
template <> struct Element<DataType::float8_e5m2> : SmallFloatElement<Float8E5m2Format> {};
// clang-format on

/// Converts one stored element; the same type gives the same bits.
template <DataType From, DataType To>
constexpr typename Element<To>::Raw convert_element(typename Element<From>::Raw raw) noexcept {
  if constexpr (From == To) {
    return raw;
  } else if constexpr (From == DataType::boolean) {
    // Not computed: a choice of two constants is all that loops need.
    constexpr auto kOne = Element<To>::store(std::uint8_t{1});
    return raw != 0 ? kOne : typename Element<To>::Raw{0};
  } else {
    return Element<To>::store(Element<From>::load(raw));
  }
}

}  // namespace headrace::kernels
