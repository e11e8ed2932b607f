// SPDX-License-Identifier: Apache-2.0
// The floating-point formats of 8 and 16 bits, read to and rounded from the bits of a float32, as
// src/kernels/small_float.h does it.
//
// A float is kept as its bits. Arithmetic on floats is used where it is exact on every device: its
// operands and its result are normal numbers, or a zero whose sign is put right.

#define FLOAT32_NAN 0x7fc00000u
#define FLOAT32_INFINITY 0x7f800000u
#define MAGNITUDE 0x7fffffffu
#define SIGN 0x80000000u

// Facts of a format. `overflow` is what is above the largest finite magnitude: infinity, or NaN
// where there is no infinity.
struct Format {
  uint bits;
  uint fraction_bits;
  uint bias;
  uint overflow;
  uint nan;
};
const Format kFloat16Format = Format(16u, 10u, 15u, 0x7c00u, 0x7e00u);
const Format kBfloat16Format = Format(16u, 7u, 127u, 0x7f80u, 0x7fc0u);
const Format kFloat8E4m3Format = Format(8u, 3u, 7u, 0x7fu, 0x7fu);
const Format kFloat8E5m2Format = Format(8u, 2u, 15u, 0x7cu, 0x7eu);

// A whole number below 2^23 as a float32. Where the device rounds to nearest, by way of a number
// whose last bit is worth one: on some devices an addition is far less work than a conversion.
uint small_whole_to_float32(uint whole) {
#ifdef HEADRACE_FLOAT_CONTROLS
  const float aligner = 8388608.0;
  return floatBitsToUint(uintBitsToFloat(floatBitsToUint(aligner) | whole) - aligner);
#else
  return floatBitsToUint(float(whole));
#endif
}

// The same of a signed number of `bits` bits, 16 at most; above them there is nothing.
uint small_signed_to_float32(uint raw, uint bits) {
  const uint above = 1u << (bits - 1u);  // Numbers from -above on become numbers from 0 on.
#ifdef HEADRACE_FLOAT_CONTROLS
  const float aligner = 8388608.0;
  const float aligned = uintBitsToFloat(floatBitsToUint(aligner) | (raw ^ above));
  return floatBitsToUint(aligned - (aligner + float(above)));
#else
  return floatBitsToUint(float(bitfieldExtract(int(raw), 0, int(bits))));
#endif
}

// A subnormal number's value. It counts steps: added to a float32 whose last bit is worth one, they
// are its fraction, and the difference is exact.
uint subnormal_to_float(uint code, Format format) {
  const uint aligner = (151u - format.bias - format.fraction_bits) << 23;
  const float steps = uintBitsToFloat(aligner | code) - uintBitsToFloat(aligner);
  return floatBitsToUint(steps) & MAGNITUDE;
}

#ifdef HEADRACE_FLOAT_CONTROLS
// The value of a float16, by the device's own conversion, but for subnormal numbers, which it may
// drop.
uint float16_to_float(uint encoding, bool keep_subnormals) {
  const uint code = encoding & 0x7fffu;
  const uint converted = floatBitsToUint(float(unpackFloat2x16(code).x));
  const bool is_subnormal = keep_subnormals && code < 0x400u;
  const uint sign = (encoding << 16) & SIGN;
  return (is_subnormal ? subnormal_to_float(code, kFloat16Format) : converted) | sign;
}
#endif

// The value of an encoding. A NaN stays some NaN; without `keep_subnormals`, a subnormal number and
// zero become anything below 1, for those who drop it.
uint small_to_float(uint encoding, Format format, bool keep_subnormals) {
#ifdef HEADRACE_FLOAT_CONTROLS
  if (format == kFloat16Format) {
    return float16_to_float(encoding, keep_subnormals);
  }
#endif
  const uint dropped = 23u - format.fraction_bits;
  const uint rebias = (127u - format.bias) << 23;
  const uint code = encoding & ((1u << (format.bits - 1u)) - 1u);
  const uint sign = (encoding << (32u - format.bits)) & SIGN;
  uint wide = (code << dropped) + rebias;
  if (format.overflow != format.nan) {
    wide += code >= format.overflow ? rebias : 0u;
  } else {
    wide = code == format.nan ? FLOAT32_NAN : wide;
  }
  if (keep_subnormals && code < 1u << format.fraction_bits) {
    wide = subnormal_to_float(code, format);
  }
  return wide | sign;
}

// The code of a magnitude below `above`, a power of two; or `above`, for all that is not.
#ifdef HEADRACE_FLOAT_CONTROLS
// Adding a power of two whose last bit is worth one step of the format makes the processor round
// to whole steps, to nearest even as this module demands.
uint round_magnitude(uint magnitude, Format format, uint smallest) {
  const uint dropped = 23u - format.fraction_bits;
  const uint power = max(magnitude & FLOAT32_INFINITY, smallest);
  const uint aligner = power + (dropped << 23);
  const float aligned = uintBitsToFloat(magnitude) + uintBitsToFloat(aligner);
  return floatBitsToUint(aligned) - aligner + ((power - smallest) >> dropped);
}
#else
uint round_magnitude(uint magnitude, Format format, uint smallest) {
  const uint dropped = 23u - format.fraction_bits;
  const uint exponent = magnitude >> 23;
  const uint kept_exponent = max(exponent, smallest >> 23);
  const uint significand = (magnitude & 0x7fffffu) | 0x800000u;
  const uint shift = min(dropped + kept_exponent - exponent, 31u);
  const uint steps = significand >> shift;
  const uint rest = significand << (32u - shift);
  const uint carry = (rest | (steps & 1u)) > 0x80000000u ? 1u : 0u;
  return steps + carry + ((kept_exponent - (smallest >> 23)) << format.fraction_bits);
}
#endif

#ifdef HEADRACE_FLOAT_CONTROLS
// What is a normal number of FLOAT16, or zero, or too large for it, by the device's own conversion.
uint round_normal_to_float16(uint bits) {
  return packFloat2x16(f16vec2(float16_t(uintBitsToFloat(bits)), float16_t(0.0)));
}

// Of any. A subnormal number counts steps, as the last bits of a float32 from 0.5 on do.
uint round_number_to_float16(uint bits) {
  const uint magnitude = bits & MAGNITUDE;
  const uint half_one = floatBitsToUint(0.5);
  const uint steps = floatBitsToUint(uintBitsToFloat(magnitude) + 0.5) - half_one;
  const uint smallest_normal = (128u - kFloat16Format.bias) << 23;
  const uint code = magnitude < smallest_normal ? steps : round_normal_to_float16(magnitude);
  return code | ((bits & SIGN) >> 16);
}
#endif

// Rounds once, to nearest, ties to even; out of range to `overflow`. For what is no NaN.
uint round_number_to_small(uint bits, Format format) {
#ifdef HEADRACE_FLOAT_CONTROLS
  if (format == kFloat16Format) {
    return round_number_to_float16(bits);
  }
#endif
  const uint smallest = (128u - format.bias) << 23;
  const uint above = smallest + ((format.overflow >> format.fraction_bits) << 23);
  const uint magnitude = min(bits & MAGNITUDE, above);
  const uint code = min(round_magnitude(magnitude, format, smallest), format.overflow);
  return code | ((bits & SIGN) >> (32u - format.bits));
}

uint round_to_small(uint bits, Format format) {
  const bool is_nan = (bits & MAGNITUDE) > FLOAT32_INFINITY;
  return is_nan ? format.nan : round_number_to_small(bits, format);
}

// The code of a magnitude that is zero or a normal number of the format, or too large for it, but
// no NaN: of a whole number.
uint round_normal_magnitude(uint magnitude, Format format) {
  const uint dropped = 23u - format.fraction_bits;
  const uint rebias = (127u - format.bias) << 23;
  const uint rebiased = max(magnitude, rebias) - rebias;
  const uint even = (rebiased >> dropped) & 1u;
  const uint code = (rebiased + (1u << (dropped - 1u)) - 1u + even) >> dropped;
  return min(code, format.overflow);
}

// The same for what the format holds.
uint exact_normal_magnitude(uint magnitude, Format format) {
  const uint rebias = (127u - format.bias) << 23;
  return (max(magnitude, rebias) - rebias) >> (23u - format.fraction_bits);
}

// To the format with float32's range, whose encodings are cut-off float32.
uint round_number_to_bfloat16(uint bits) {
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

uint round_to_bfloat16(uint bits) {
  const bool is_nan = (bits & MAGNITUDE) > FLOAT32_INFINITY;
  return is_nan ? kBfloat16Format.nan : round_number_to_bfloat16(bits);
}
