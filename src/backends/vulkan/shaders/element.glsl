// SPDX-License-Identifier: Apache-2.0
// The conversion of one element, for every pair of data types, as src/kernels/element.h defines it.
// An element is its bits, those of 64-bit types as two words, the lower one first.

#include "types.glsl"
#include "real.glsl"
#include "integer.glsl"

// ---- Reading: every type becomes float32, int32, uint32, or keeps its 64 bits.

#define FROM_IS_FLOAT32 (kFrom == FLOAT32 || IS_SMALL_FLOAT(kFrom))
#define FROM_IS_SIGNED (kFrom == INT8 || kFrom == INT16 || kFrom == INT32)

uint load_float32(uint raw, bool keep_subnormals) {
  switch (kFrom) {
    case FLOAT16: return small_to_float(raw, kFloat16Format, keep_subnormals);
    case BFLOAT16: return raw << 16;
    case FLOAT8_E4M3: return small_to_float(raw, kFloat8E4m3Format, keep_subnormals);
    case FLOAT8_E5M2: return small_to_float(raw, kFloat8E5m2Format, keep_subnormals);
    default: return raw;
  }
}

int load_signed(uint raw) {
  switch (kFrom) {
    case INT8: return bitfieldExtract(int(raw), 0, 8);
    case INT16: return bitfieldExtract(int(raw), 0, 16);
    default: return int(raw);
  }
}

// ---- Writing.

// To a small format, from a float32 that may be anything.
uint small_from_float32(uint bits) {
  switch (kTo) {
    case FLOAT16: return round_to_small(bits, kFloat16Format);
    case BFLOAT16: return round_to_bfloat16(bits);
    case FLOAT8_E4M3: return round_to_small(bits, kFloat8E4m3Format);
    default: return round_to_small(bits, kFloat8E5m2Format);
  }
}

// To FLOAT8_E5M2, the upper half of a float16, from one: what is cut off rounds, and a carry goes on
// to infinity.
uint float8_e5m2_from_float16(uint raw) {
  const uint magnitude = raw & 0x7fffu;
  const uint rounded = (magnitude + 0x7fu + ((magnitude >> 8) & 1u)) >> 8;
  return magnitude > 0x7c00u ? kFloat8E5m2Format.nan : rounded | ((raw >> 8) & 0x80u);
}

// To FLOAT16 or BFLOAT16, from a float8: both hold its numbers, bfloat16 as normal ones.
uint small_from_float8(uint raw) {
  const uint bits = load_float32(raw, true);
  const bool is_nan = (bits & MAGNITUDE) > FLOAT32_INFINITY;
  if (kTo == BFLOAT16) {
    return is_nan ? kBfloat16Format.nan : bits >> 16;
  }
  // FLOAT8_E5M2 is the upper half of a float16; FLOAT8_E4M3 has larger steps than it.
  const uint magnitude = exact_normal_magnitude(bits & MAGNITUDE, kFloat16Format);
  const uint code = kFrom == FLOAT8_E5M2 ? raw << 8 : magnitude | ((bits & SIGN) >> 16);
  return is_nan ? kFloat16Format.nan : code;
}

// To a small format, from a whole number's magnitude and its sign, a float32's sign bit.
uint small_from_whole(uint magnitude, uint sign) {
#ifdef HEADRACE_FLOAT_CONTROLS
  if (kTo == FLOAT16) {
    return round_normal_to_float16(magnitude | sign);
  }
#endif
  const uint small_sign = sign >> (32u - kToSize * 8u);
  switch (kTo) {
    case FLOAT16:
      return small_sign | (kFromSize == 1u ? exact_normal_magnitude(magnitude, kFloat16Format)
                                           : round_normal_magnitude(magnitude, kFloat16Format));
    case BFLOAT16:
      return small_sign | (kFromSize == 1u ? magnitude >> 16 : round_number_to_bfloat16(magnitude));
    case FLOAT8_E4M3: return small_sign | round_normal_magnitude(magnitude, kFloat8E4m3Format);
    default: return small_sign | round_normal_magnitude(magnitude, kFloat8E5m2Format);
  }
}

uvec2 store_float32(uint bits) {
  switch (kTo) {
    case FLOAT32: return uvec2((bits & MAGNITUDE) > FLOAT32_INFINITY ? FLOAT32_NAN : bits, 0u);
    case FLOAT64: return float32_to_float64(bits);
    case FLOAT16:
    case BFLOAT16:
    case FLOAT8_E4M3:
    case FLOAT8_E5M2: return uvec2(small_from_float32(bits), 0u);
    case BOOLEAN: return uvec2((bits & MAGNITUDE) != 0u ? 1u : 0u, 0u);
    default: return integer_from_float32(bits);
  }
}

// A float32 from an integer, as bits: rounded once, or, for a rounding to follow, to odd.
uint float32_from(uint magnitude, bool to_odd) {
  if (kFromSize < 4u) {
    return small_whole_to_float32(magnitude);
  }
  if (to_odd) {
    // The last bit that is kept of large ones is worth 2^8: small formats have fewer than 16 bits.
    const uint odd = (magnitude & ~0xffu) | ((magnitude & 0xffu) != 0u ? 0x100u : 0u);
    return floatBitsToUint(float(magnitude < 1u << 24 ? magnitude : odd));
  }
  return magnitude == 0u ? 0u : round_to_float32(unrounded(magnitude));
}

uint float32_from(uvec2 magnitude, bool to_odd) {
  if ((magnitude.x | magnitude.y) == 0u) {
    return 0u;
  }
  const Unrounded number = unrounded(magnitude);
  return to_odd ? round_to_odd_float32(number) : round_to_float32(number);
}

// Formats that end below 2^17, up to which float32 holds every integer.
#define TO_ENDS_EARLY (kTo == FLOAT16 || IS_FLOAT8(kTo))

uvec2 store_magnitude(uint magnitude, uint sign) {
  if (kTo == FLOAT64) {
    const uvec2 result = integer_to_float64(magnitude, 1023);
    return uvec2(result.x, result.y | sign);
  }
  if (TO_ENDS_EARLY) {
    const uint last = kFromSize < 4u ? magnitude : min(magnitude, 1u << 17);
    return uvec2(small_from_whole(small_whole_to_float32(last), sign), 0u);
  }
  const uint bits = float32_from(magnitude, kTo != FLOAT32);
  return uvec2(kTo == FLOAT32 ? bits | sign : small_from_whole(bits, sign), 0u);
}

uvec2 store_magnitude(uvec2 magnitude, uint sign) {
  if (kTo == FLOAT64) {
    const uvec2 result = integer_to_float64(magnitude);
    return uvec2(result.x, result.y | sign);
  }
  if (TO_ENDS_EARLY) {
    return store_magnitude(magnitude.y != 0u ? ~0u : magnitude.x, sign);
  }
  const uint bits = float32_from(magnitude, kTo != FLOAT32);
  return uvec2(kTo == FLOAT32 ? bits | sign : small_from_whole(bits, sign), 0u);
}

#define TO_IS_FLOAT (kTo == FLOAT32 || kTo == FLOAT64 || IS_SMALL_FLOAT(kTo))

// From INT8 and INT16.
uvec2 store_small_signed(uint raw) {
  const uint bits = small_signed_to_float32(raw, kFromSize * 8u);
  return uvec2(kTo == FLOAT32 ? bits : small_from_whole(bits & MAGNITUDE, bits & SIGN), 0u);
}

uvec2 store_signed(int value) {
  return TO_IS_FLOAT ? store_magnitude(uint(abs(value)), uint(value) & SIGN)
                    : integer_from_signed(value);
}

uvec2 store_unsigned(uint value) {
  return TO_IS_FLOAT ? store_magnitude(value, 0u) : integer_from_unsigned(value);
}

uvec2 store_signed(uvec2 value) {
  const bool is_negative = int(value.y) < 0;
  return TO_IS_FLOAT ? store_magnitude(is_negative ? negated(value) : value, value.y & SIGN)
                    : integer_from_signed(value);
}

uvec2 store_unsigned(uvec2 value) {
  return TO_IS_FLOAT ? store_magnitude(value, 0u) : integer_from_unsigned(value);
}

uvec2 store_float64(uvec2 bits) {
  switch (kTo) {
    case FLOAT32: return uvec2(float64_to_float32(bits), 0u);
    case FLOAT16:
    case BFLOAT16:
    case FLOAT8_E4M3:
    case FLOAT8_E5M2: return uvec2(small_from_float32(float64_to_odd_float32(bits)), 0u);
    default: return integer_from_float64(bits);
  }
}

uvec2 store_wide(uvec2 raw) {
  switch (kFrom) {
    case FLOAT64: return store_float64(raw);
    case INT64: return store_signed(raw);
    default: return store_unsigned(raw);
  }
}

// Whether an element is anything but zero. A float's sign is no part of that.
bool is_set(uvec2 raw) {
  if (kFromSize == 8u) {
    return ((kFrom == FLOAT64 ? raw.y << 1 : raw.y) | raw.x) != 0u;
  }
  return (FROM_IS_FLOAT32 ? raw.x << (33u - kFromSize * 8u) : raw.x) != 0u;
}

// Whether a source's subnormal numbers become anything but zero. FLOAT8_E4M3 has none as small as
// FLOAT16's.
#define NEEDS_SUBNORMALS (TO_IS_FLOAT && !(kFrom == FLOAT16 && kTo == FLOAT8_E4M3))

// ---- One element. Of types below 64 bits, the second word is zero.

uvec2 convert_element(uvec2 raw) {
  if (kFrom == kTo) {
    return raw;
  }
  if (kTo == BOOLEAN) {
    return uvec2(is_set(raw) ? 1u : 0u, 0u);
  }
  if (kFrom == BOOLEAN) {
    const uvec2 one = store_unsigned(1u);  // The driver's to compute, not the device's.
    return raw.x != 0u ? one : uvec2(0u);
  }
  if (kFromSize == 8u) {
    return store_wide(raw);
  }
  if (kFrom == FLOAT16 && kTo == FLOAT8_E5M2) {
    return uvec2(float8_e5m2_from_float16(raw.x), 0u);
  }
  if (FROM_IS_FLOAT32) {
    const bool is_exact = IS_FLOAT8(kFrom) && (kTo == FLOAT16 || kTo == BFLOAT16);
    return is_exact ? uvec2(small_from_float8(raw.x), 0u)
                    : store_float32(load_float32(raw.x, NEEDS_SUBNORMALS));
  }
  if (FROM_IS_SIGNED && kFromSize < 4u && (kTo == FLOAT32 || IS_SMALL_FLOAT(kTo))) {
    return store_small_signed(raw.x);
  }
  return FROM_IS_SIGNED ? store_signed(load_signed(raw.x)) : store_unsigned(raw.x);
}

// The element as a float32: rounded once, a NaN some NaN.
uint element_to_float32(uvec2 raw) {
  switch (kFrom) {
    case FLOAT64: return float64_to_float32(raw);
    case INT64: {
      const uvec2 magnitude = int(raw.y) < 0 ? negated(raw) : raw;
      return float32_from(magnitude, false) | (raw.y & SIGN);
    }
    case UINT64: return float32_from(raw, false);
    case BOOLEAN: return raw.x != 0u ? floatBitsToUint(1.0) : 0u;
  }
  if (FROM_IS_FLOAT32) {
    return load_float32(raw.x, true);
  }
  if (FROM_IS_SIGNED && kFromSize < 4u) {
    return small_signed_to_float32(raw.x, kFromSize * 8u);
  }
  if (FROM_IS_SIGNED) {
    const int value = load_signed(raw.x);
    return float32_from(uint(abs(value)), false) | (uint(value) & SIGN);
  }
  return float32_from(raw.x, false);
}
