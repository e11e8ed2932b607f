// SPDX-License-Identifier: Apache-2.0
// float32 multiplication and addition by integer arithmetic, as IEEE 754 has them: to nearest even,
// subnormals kept. Every NaN is the positive quiet one. Needs real.glsl.

uint float32_exponent(uint magnitude) {
  return max(magnitude >> 23, 1u);
}

uint float32_significand(uint magnitude) {
  return magnitude < 0x800000u ? magnitude : (magnitude & 0x7fffffu) | 0x800000u;
}

uint soft_multiply(uint a, uint b) {
  const uint sign = (a ^ b) & SIGN;
  const uint low = min(a & MAGNITUDE, b & MAGNITUDE);
  const uint high = max(a & MAGNITUDE, b & MAGNITUDE);
  if (high >= FLOAT32_INFINITY) {
    return high > FLOAT32_INFINITY || low == 0u ? FLOAT32_NAN : sign | FLOAT32_INFINITY;
  }
  if (low == 0u) {
    return sign;
  }
  // Both significands with their highest bit set; a subnormal number's exponent goes below 1.
  const uint low_significand = float32_significand(low);
  const uint high_significand = float32_significand(high);
  const int low_top = findMSB(low_significand);
  const int high_top = findMSB(high_significand);
  int exponent = int(float32_exponent(low) + float32_exponent(high)) + low_top + high_top - 172;
  uint upper;
  uint lower;
  umulExtended(low_significand << uint(31 - low_top),
               high_significand << uint(31 - high_top),
               upper,
               lower);
  if (int(upper) >= 0) {  // The product of two numbers from 1 to 2 is one from 1 to 4.
    upper = (upper << 1) | (lower >> 31);
    lower <<= 1;
    exponent -= 1;
  }
  return sign | round_to_float32(Unrounded(exponent, upper, lower != 0u ? 1u : 0u));
}

uint soft_add(uint a, uint b) {
  const bool a_is_less = (a & MAGNITUDE) < (b & MAGNITUDE);
  const uint large = a_is_less ? b : a;
  const uint small = a_is_less ? a : b;
  const uint sign = large & SIGN;
  const uint high = large & MAGNITUDE;
  const uint low = small & MAGNITUDE;
  const bool is_difference = ((a ^ b) & SIGN) != 0u;
  if (high >= FLOAT32_INFINITY) {
    const bool is_nan = high > FLOAT32_INFINITY || (low == FLOAT32_INFINITY && is_difference);
    return is_nan ? FLOAT32_NAN : large;
  }
  // Seven bits more than the result needs, the last of which stands for all that is below it.
  const uint shift = min(float32_exponent(high) - float32_exponent(low), 31u);
  const uint addend = float32_significand(low) << 7;
  const uint lost = addend & ((1u << shift) - 1u);
  const uint aligned = (addend >> shift) | (lost != 0u ? 1u : 0u);
  const uint base = float32_significand(high) << 7;
  const uint sum = is_difference ? base - aligned : base + aligned;
  if (sum == 0u) {
    return is_difference ? 0u : sign;
  }
  const int top = findMSB(sum);
  const int exponent = int(float32_exponent(high)) + top - 30;
  return sign | round_to_float32(Unrounded(exponent, sum << uint(31 - top), 0u));
}
