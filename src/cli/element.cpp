// SPDX-License-Identifier: Apache-2.0
#include "cli/element.h"

#include "cli/element_type.h"

#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace headrace::cli {
namespace {

constexpr auto kNan = std::bit_cast<float>(0x7fc00000U);

// Rounding twice, first to odd (toward zero, and up to the odd neighbour if that lost anything) in
// a format with two more bits, gives what rounding once gives.

double round_to_odd(bool is_negative, std::uint64_t magnitude) {
  const int excess =
      static_cast<int>(std::bit_width(magnitude)) - std::numeric_limits<double>::digits;
  if (excess > 0) {
    const bool is_exact = std::countr_zero(magnitude) >= excess;
    magnitude = (magnitude >> excess | (is_exact ? 0U : 1U)) << excess;
  }
  const auto value = static_cast<double>(magnitude);
  return is_negative ? -value : value;
}

float round_to_odd(double value) {
  auto result = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(result) == value) {
    return result;
  }
  if (std::abs(static_cast<double>(result)) > std::abs(value)) {
    result = std::nextafter(result, 0.0F);
  }
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(result) | 1U);
}

double to_double_odd(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    const auto bits = static_cast<std::uint64_t>(*number);
    return round_to_odd(*number < 0, *number < 0 ? 0 - bits : bits);
  }
  if (const auto* number = std::get_if<std::uint64_t>(&value)) {
    return round_to_odd(false, *number);
  }
  return std::get<double>(value);
}

template <class T>
T to_integer(const Value& value) {
  using Limits = std::numeric_limits<T>;
  return std::visit(
      []<class Number>(Number number) -> T {
        if constexpr (std::integral<Number>) {
          return std::cmp_less(number, Limits::min())      ? Limits::min()
                 : std::cmp_greater(number, Limits::max()) ? Limits::max()
                                                           : static_cast<T>(number);
        } else if (std::isnan(number)) {
          return 0;
        } else if (number <= static_cast<double>(Limits::min())) {
          return Limits::min();
        } else {
          return number >= std::ldexp(1.0, Limits::digits) ? Limits::max() : static_cast<T>(number);
        }
      },
      value);
}

template <class T>
T to_element(const Value& value) {
  if constexpr (std::same_as<T, bool>) {
    return std::visit([](auto number) { return number != 0; }, value);
  } else if constexpr (std::integral<T>) {
    return to_integer<T>(value);
  } else if constexpr (std::same_as<T, float>) {
    return to_float(value);
  } else if constexpr (std::same_as<T, double>) {
    const double number = std::visit([](auto v) { return static_cast<double>(v); }, value);
    return std::isnan(number) ? static_cast<double>(kNan) : number;
  } else {
    const float number = round_to_odd(to_double_odd(value));
    return T(std::isnan(number) ? kNan : number);
  }
}

}  // namespace

Value load_element(DataType dtype, const std::byte* from) {
  return with_element_type(dtype, [from]<class T>() -> Value {
    if constexpr (std::same_as<T, bool>) {
      return std::uint64_t{*from != std::byte{0}};
    } else {
      T element;
      std::memcpy(&element, from, sizeof(T));
      if constexpr (std::unsigned_integral<T>) {
        return std::uint64_t{element};
      } else if constexpr (std::signed_integral<T>) {
        return std::int64_t{element};
      } else if constexpr (std::floating_point<T>) {
        return static_cast<double>(element);
      } else {
        return static_cast<double>(static_cast<float>(element));
      }
    }
  });
}

float to_float(const Value& value) {
  const float number = std::visit([](auto v) { return static_cast<float>(v); }, value);
  return std::isnan(number) ? kNan : number;
}

void store_element(DataType dtype, const Value& value, std::byte* to) {
  with_element_type(dtype, [&]<class T>() {
    const T element = to_element<T>(value);
    std::memcpy(to, &element, sizeof(T));
  });
}

}  // namespace headrace::cli
