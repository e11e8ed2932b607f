// SPDX-License-Identifier: Apache-2.0
// x * scale + bias in float32, with a rounding after each operation, as kernels::expand has it.
//
// kArithmetic 1 uses the device's operations: for modules with HEADRACE_FLOAT_CONTROLS, where no
// subnormal number can come up. 0 computes with integers, on any device. Needs real.glsl.

#include "soft_float.glsl"

layout(constant_id = 4) const uint kArithmetic = 0;

// A NaN is some NaN.
uint normalised(uint value, uint scale, uint bias) {
  if (kArithmetic == 0u) {
    return soft_add(soft_multiply(value, scale), bias);
  }
  precise float product = uintBitsToFloat(value) * uintBitsToFloat(scale);
  precise float sum = product + uintBitsToFloat(bias);
  return floatBitsToUint(sum);
}
