// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reference_convert.h"

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

// Elements at which a conversion may go wrong, as bits, for every data type.

namespace headrace::reference {

/// Every element of a type of 8 or 16 bits.
inline std::vector<std::uint64_t> all_elements(DataType dtype) {
  std::vector<std::uint64_t> result(std::size_t{1} << (8 * size_of(dtype)));
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = i;
  }
  return result;
}

/// `value` and its neighbours of type `dtype`, in both signs.
inline void append_around(DataType dtype, const Exact& value, std::vector<std::uint64_t>& to) {
  const std::uint64_t last = ~std::uint64_t{0} >> (64 - 8 * size_of(dtype));
  for (const bool is_negative : {false, true}) {
    Exact signed_value = value;
    signed_value.is_negative = is_negative;
    const std::uint64_t bits = write(dtype, signed_value);
    for (const std::uint64_t step : {std::uint64_t{0}, std::uint64_t{1}, last, last - 1}) {
      to.push_back((bits + step) & last);
    }
  }
}

/// Where values of `dtype` stop rounding to one value of a small format and start rounding to the
/// next: all of its midpoints.
inline void append_ties(DataType dtype, DataType small, std::vector<std::uint64_t>& to) {
  const FloatFormat format = float_format(small);
  for (std::uint64_t encoding = 0; encoding < format.first_special(); ++encoding) {
    append_around(dtype, midpoint(format, encoding), to);
  }
}

/// Powers of two and sums of two or three of them: limits of integers, ties, sticky bits.
inline void append_sparse(DataType dtype, std::vector<std::uint64_t>& to) {
  for (int high = 0; high < 64; ++high) {
    for (int low = 0; low <= high; ++low) {
      const std::uint64_t two = (std::uint64_t{1} << high) | (std::uint64_t{1} << low);
      for (const std::uint64_t mantissa : {two, two + 1, two - 1, two | two >> 1}) {
        append_around(dtype, {Kind::number, false, mantissa, 0}, to);
      }
    }
  }
}

/// Zeros, infinities, NaNs of all kinds, subnormals and largest numbers of a floating-point type.
inline void append_specials(DataType dtype, std::vector<std::uint64_t>& to) {
  const FloatFormat format = float_format(dtype);
  const std::uint64_t sign = std::uint64_t{1} << format.sign_place();
  const std::uint64_t smallest_normal = std::uint64_t{1} << format.fraction_bits;
  for (const std::uint64_t magnitude : {std::uint64_t{0},
                                        std::uint64_t{1},
                                        std::uint64_t{2},
                                        smallest_normal - 1,
                                        smallest_normal,
                                        format.first_special() - 1,
                                        format.first_special(),
                                        format.first_special() + 1,
                                        format.canonical_nan(),
                                        format.canonical_nan() + 1,
                                        sign - 1}) {
    to.push_back(magnitude);
    to.push_back(magnitude + sign);
  }
}

/// Random patterns, and random patterns with leading zeros: for integers, of all magnitudes.
inline void append_random(DataType dtype, std::size_t count, std::vector<std::uint64_t>& to) {
  std::mt19937_64 random(20240229 + static_cast<std::uint64_t>(dtype));
  const int width = static_cast<int>(8 * size_of(dtype));
  const std::uint64_t last = ~std::uint64_t{0} >> (64 - width);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random() & last;
    const std::uint64_t small = bits >> (random() % static_cast<std::uint64_t>(width));
    to.insert(to.end(), {bits, small, (0 - small) & last});
  }
}

/// The elements of type `dtype` that a test of conversions should try: all of them for types of 8
/// and 16 bits, else every boundary of every other type, special values, and random ones.
inline std::vector<std::uint64_t> telling_elements(DataType dtype) {
  if (size_of(dtype) <= 2) {
    return all_elements(dtype);
  }
  std::vector<std::uint64_t> result;
  if (is_floating_point(dtype)) {
    append_specials(dtype, result);
    for (const DataType small :
         {DataType::bfloat16, DataType::float8_e4m3, DataType::float8_e5m2}) {
      append_ties(dtype, small, result);
    }
  }
  append_ties(dtype, DataType::float16, result);
  append_sparse(dtype, result);
  append_random(dtype, 2000, result);
  return result;
}

}  // namespace headrace::reference
