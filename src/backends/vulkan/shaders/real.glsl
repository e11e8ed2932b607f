// SPDX-License-Identifier: Apache-2.0
// float32 and float64, made from each other and from integers by integer arithmetic: one rounding,
// to nearest, ties to even.

#include "small_float.glsl"
#include "wide.glsl"

// A positive number: `significand`, whose highest bit is set, times 2^(exponent - 127 - 31), and
// less than one more in its last place. `sticky`, 0 or 1, says whether there was anything more.
struct Unrounded {
  int exponent;
  uint significand;
  uint sticky;
};

// A number too small to be a normal float32, shifted to where its steps are float32's.
Unrounded denormalised(Unrounded number) {
  if (number.exponent > 0) {
    return number;
  }
  const uint shift = uint(min(1 - number.exponent, 31));
  const uint lost = number.significand << (32u - shift);
  return Unrounded(
      1, number.significand >> shift, number.sticky | (lost != 0u ? 1u : 0u));
}

uint round_to_float32(Unrounded number) {
  const Unrounded at = denormalised(number);
  // The highest bit counts as one of the exponent.
  const uint cut = (uint(at.exponent - 1) << 23) + (at.significand >> 8);
  const uint rest = (at.significand << 24) | at.sticky;
  const uint rounded = cut + ((rest | (cut & 1u)) > 0x80000000u ? 1u : 0u);
  return at.exponent >= 255 ? FLOAT32_INFINITY : rounded;
}

// Cut off, with the last bit set if anything was lost ("round to odd"): rounding it again, to fewer
// bits, gives what rounding the number once gives.
uint round_to_odd_float32(Unrounded number) {
  const Unrounded at = denormalised(number);
  const uint cut = (uint(at.exponent - 1) << 23) + (at.significand >> 8);
  const uint lost = (at.significand & 0xffu) | at.sticky;
  return at.exponent >= 255 ? FLOAT32_INFINITY : cut | (lost != 0u ? 1u : 0u);
}

// An integer other than zero.
Unrounded unrounded(uvec2 magnitude) {
  const uint zeros = leading_zeros(magnitude);
  const uvec2 top = shifted_left(magnitude, zeros);
  return Unrounded(int(127u + 63u - zeros), top.y, top.x != 0u ? 1u : 0u);
}
Unrounded unrounded(uint magnitude) {
  const int top = findMSB(magnitude);
  return Unrounded(127 + top, magnitude << uint(31 - top), 0u);
}

// The magnitude of a float64 that is a number. A subnormal one is far below float32's smallest:
// what it is does not matter, except for zero, which `float64_is_zero` tells.
Unrounded unrounded_float64(uvec2 bits) {
  const uint top = SIGN | ((bits.y & 0xfffffu) << 11) | (bits.x >> 21);
  const int exponent = int((bits.y & MAGNITUDE) >> 20) - 896;
  return Unrounded(exponent, top, (bits.x & 0x1fffffu) != 0u ? 1u : 0u);
}

bool float64_is_nan(uvec2 bits) {
  const uint upper = bits.y & MAGNITUDE;
  return upper > 0x7ff00000u || (upper == 0x7ff00000u && bits.x != 0u);
}

bool float64_is_zero(uvec2 bits) {
  return ((bits.y & MAGNITUDE) | bits.x) == 0u;
}

uint float64_to_float32(uvec2 bits) {
  const uint magnitude = round_to_float32(unrounded_float64(bits));
  return float64_is_nan(bits) ? FLOAT32_NAN : magnitude | (bits.y & SIGN);
}

// For a rounding to a small format to follow.
uint float64_to_odd_float32(uvec2 bits) {
  const uint magnitude = float64_is_zero(bits) ? 0u : round_to_odd_float32(unrounded_float64(bits));
  return float64_is_nan(bits) ? FLOAT32_NAN : magnitude | (bits.y & SIGN);
}

// An integer times 2^(exponent - 1023).
uvec2 integer_to_float64(uint magnitude, int exponent) {
  if (magnitude == 0u) {
    return uvec2(0u);
  }
  const int top = findMSB(magnitude);
  const uint significand = magnitude << uint(31 - top);
  return uvec2(significand << 21, (uint(exponent + top - 1) << 20) + (significand >> 11));
}

uvec2 integer_to_float64(uvec2 magnitude) {
  if ((magnitude.x | magnitude.y) == 0u) {
    return uvec2(0u);
  }
  const uint zeros = leading_zeros(magnitude);
  const uvec2 top = shifted_left(magnitude, zeros);
  const uvec2 cut =
      uvec2((top.x >> 11) | (top.y << 21), ((1023u + 62u - zeros) << 20) + (top.y >> 11));
  const uint rest = top.x << 21;
  return (rest | (cut.x & 1u)) > 0x80000000u ? incremented(cut) : cut;
}

uvec2 float32_to_float64(uint bits) {
  const uint magnitude = bits & MAGNITUDE;
  if (magnitude > FLOAT32_INFINITY) {
    return FLOAT64_NAN;
  }
  // Infinity has the largest exponent here as there.
  const uint rebias = (magnitude == FLOAT32_INFINITY ? 2u : 1u) * (896u << 20);
  uvec2 wide = uvec2(magnitude << 29, (magnitude >> 3) + rebias);
  if (magnitude < 0x800000u) {
    wide = integer_to_float64(magnitude, 1023 - 149);
  }
  return uvec2(wide.x, wide.y | (bits & SIGN));
}
