// SPDX-License-Identifier: Apache-2.0
// x * scale + bias in float32, with a rounding after each operation, as kernels::expand has it.
//
// kArithmetic 0 computes with integers, on any device. 1 and 2 use the device's operations, in modules
// with HEADRACE_FLOAT_CONTROLS: 1 where no subnormal number can come up, 2 where it depends on the
// value alone. Needs real.glsl.

#include "soft_float.glsl"

layout(constant_id = 4) const uint kArithmetic = 0;

// Values that with coefficients of no other size give nothing that is subnormal or too large, as
// is_tame of expansion.cpp has it: zero, and 2^-60 to 2^60.
bool is_tame(uint value) {
  const uint magnitude = value & MAGNITUDE;
  return magnitude == 0u || magnitude - (67u << 23) <= 120u << 23;
}

// A NaN is some NaN.
uint normalised(uint value, uint scale, uint bias) {
  if (kArithmetic == 0u || (kArithmetic == 2u && !is_tame(value))) {
    return soft_add(soft_multiply(value, scale), bias);
  }
  precise float product = uintBitsToFloat(value) * uintBitsToFloat(scale);
  precise float sum = product + uintBitsToFloat(bias);
  return floatBitsToUint(sum);
}
