// SPDX-License-Identifier: Apache-2.0
// Numbers of 64 bits as two words, the lower one first.

#define FLOAT64_NAN uvec2(0u, 0x7ff80000u)

uvec2 negated(uvec2 value) {
  return uvec2(0u - value.x, ~value.y + (value.x == 0u ? 1u : 0u));
}

uvec2 incremented(uvec2 value) {
  return uvec2(value.x + 1u, value.y + (value.x == ~0u ? 1u : 0u));
}

// For shifts of 0 to 63 bits.
uvec2 shifted_left(uvec2 value, uint bits) {
  const uint few = bits & 31u;
  // In two steps: a word must not be shifted by its width.
  const uvec2 shifted = uvec2(value.x << few, (value.y << few) | ((value.x >> 1) >> (31u - few)));
  return bits < 32u ? shifted : uvec2(0u, shifted.x);
}

uvec2 shifted_right(uvec2 value, uint bits) {
  const uint few = bits & 31u;
  const uvec2 shifted = uvec2((value.x >> few) | ((value.y << 1) << (31u - few)), value.y >> few);
  return bits < 32u ? shifted : uvec2(shifted.y, 0u);
}

// Zeros above the highest bit that is set; 64 if there is none.
uint leading_zeros(uvec2 value) {
  return value.y != 0u ? uint(31 - findMSB(value.y)) : uint(63 - findMSB(value.x));
}

// The sign bit of a word, in all bits.
uint sign_mask(uint word) {
  return uint(int(word) >> 31);
}
