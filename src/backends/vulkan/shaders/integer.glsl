// SPDX-License-Identifier: Apache-2.0
// Integers made from floats, toward zero, and from other integers: what does not fit becomes the
// nearest that does, NaN becomes 0. Those of up to 32 bits are returned in the lower word.

// To integers of up to 32 bits, from int32 and uint32.
uint saturate_signed(int value) {
  switch (kTo) {
    case INT8: return uint(clamp(value, -128, 127)) & 0xffu;
    case UINT8: return uint(clamp(value, 0, 255));
    case INT16: return uint(clamp(value, -32768, 32767)) & 0xffffu;
    case UINT16: return uint(clamp(value, 0, 65535));
    case UINT32: return uint(max(value, 0));
    default: return uint(value);
  }
}

uint saturate_unsigned(uint value) {
  switch (kTo) {
    case INT8: return min(value, 127u);
    case UINT8: return min(value, 255u);
    case INT16: return min(value, 32767u);
    case UINT16: return min(value, 65535u);
    case INT32: return min(value, 0x7fffffffu);
    default: return value;
  }
}

// To integers of any size.
uvec2 integer_from_signed(int value) {
  switch (kTo) {
    case INT64: return uvec2(uint(value), sign_mask(uint(value)));
    case UINT64: return uvec2(uint(max(value, 0)), 0u);
    default: return uvec2(saturate_signed(value), 0u);
  }
}

uvec2 integer_from_unsigned(uint value) {
  return uvec2(saturate_unsigned(value), 0u);
}

uvec2 integer_from_signed(uvec2 value) {
  const bool is_negative = int(value.y) < 0;
  switch (kTo) {
    case UINT64: return is_negative ? uvec2(0u) : value;
    case UINT32: return uvec2(is_negative ? 0u : (value.y != 0u ? ~0u : value.x), 0u);
    default: {
      const bool fits = value.y == sign_mask(value.x);
      const uint limit = is_negative ? 0x80000000u : 0x7fffffffu;
      return uvec2(saturate_signed(int(fits ? value.x : limit)), 0u);
    }
  }
}

uvec2 integer_from_unsigned(uvec2 value) {
  if (kTo == INT64) {
    return int(value.y) < 0 ? uvec2(~0u, 0x7fffffffu) : value;
  }
  return uvec2(saturate_unsigned(value.y != 0u ? ~0u : value.x), 0u);
}

// From a sign and a magnitude that was cut at or above every limit.
uint apply_sign(uint magnitude, bool is_negative) {
  switch (kTo) {
    case INT8: return is_negative ? (0u - min(magnitude, 128u)) & 0xffu : min(magnitude, 127u);
    case INT16:
      return is_negative ? (0u - min(magnitude, 32768u)) & 0xffffu : min(magnitude, 32767u);
    case INT32: return is_negative ? 0u - min(magnitude, 0x80000000u) : min(magnitude, 0x7fffffffu);
    default: return is_negative ? 0u : saturate_unsigned(magnitude);
  }
}

// The same of 64 bits, for INT64 and UINT64.
uvec2 apply_sign(uvec2 magnitude, bool is_negative) {
  if (kTo == UINT64) {
    return is_negative ? uvec2(0u) : magnitude;
  }
  const bool fits = magnitude.y < 0x80000000u;
  if (is_negative) {
    return fits ? negated(magnitude) : uvec2(0u, 0x80000000u);
  }
  return fits ? magnitude : uvec2(~0u, 0x7fffffffu);
}

// The least and the largest number of a type of 8 or 16 bits.
vec2 limits_of_small() {
  switch (kTo) {
    case INT8: return vec2(-128.0, 127.0);
    case UINT8: return vec2(0.0, 255.0);
    case INT16: return vec2(-32768.0, 32767.0);
    default: return vec2(0.0, 65535.0);
  }
}

// A number of the same whole number of 8 or 16 bits, which the device keeps as it is.
float cut_for_small(uint bits, uint magnitude) {
#ifdef HEADRACE_FLOAT_CONTROLS
  return uintBitsToFloat(bits);  // Infinity is kept.
#else
  return uintBitsToFloat(min(magnitude, 0x48000000u) | (bits & SIGN));
#endif
}

uint float32_to_word(uint bits) {
  const uint magnitude = bits & MAGNITUDE;
  if (kToSize < 4u) {
    const float number = magnitude > FLOAT32_INFINITY ? 0.0 : cut_for_small(bits, magnitude);
    const vec2 limits = limits_of_small();
    return uint(int(clamp(number, limits.x, limits.y))) & ((1u << (kToSize * 8u % 32u)) - 1u);
  }
  const uint last = 0x4f7fffffu;  // Below 2^32: numbers are ordered as their bits are.
  const uint cut = magnitude > last ? ~0u : uint(uintBitsToFloat(min(magnitude, last)));
  return magnitude > FLOAT32_INFINITY ? 0u : apply_sign(cut, int(bits) < 0);
}

uvec2 integer_from_float32(uint bits) {
  if (kToSize < 8u) {
    return uvec2(float32_to_word(bits), 0u);
  }
  const uint magnitude = bits & MAGNITUDE;
  const uint exponent = magnitude >> 23;
  if (exponent < 127u || magnitude > FLOAT32_INFINITY) {
    return uvec2(0u);
  }
  const uvec2 top = uvec2(0u, (magnitude << 8) | SIGN);
  const uvec2 whole = exponent > 190u ? uvec2(~0u) : shifted_right(top, 190u - exponent);
  return apply_sign(whole, int(bits) < 0);
}

uvec2 integer_from_float64(uvec2 bits) {
  const uint exponent = (bits.y & MAGNITUDE) >> 20;
  if (exponent < 1023u || float64_is_nan(bits)) {
    return uvec2(0u);
  }
  const uint bits_dropped = exponent - 1023u;
  const uvec2 top = uvec2(bits.x << 11, SIGN | (bits.y << 11) | (bits.x >> 21));
  const bool is_negative = int(bits.y) < 0;
  if (kToSize < 8u) {
    const uint whole = bits_dropped > 31u ? ~0u : top.y >> (31u - bits_dropped);
    return uvec2(apply_sign(whole, is_negative), 0u);
  }
  const uvec2 whole = bits_dropped > 63u ? uvec2(~0u) : shifted_right(top, 63u - bits_dropped);
  return apply_sign(whole, is_negative);
}
