// SPDX-License-Identifier: Apache-2.0
// With HEADRACE_FLOAT_CONTROLS, the module computes with float16, too, and demands that arithmetic
// on float32 and float16, and conversions to them, round to nearest even and keep the signs of zeros,
// infinities and NaNs: for devices of which float_controls_of (facts.cpp) says so. What becomes of
// subnormal numbers is left to the device: few promise to keep them. Numbers are those of SPIR-V:
// capabilities SignedZeroInfNanPreserve and RoundingModeRTE, and the execution modes of the same
// names, all of them part of SPIR-V 1.4. The extension they were before is not named: modules that
// name it are hardly optimised by glslc. Of the modes of one kind glslc keeps the last: those of the
// other types are added by words_of (shader.cpp).
#ifdef HEADRACE_FLOAT_CONTROLS
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_spirv_intrinsics : require
spirv_execution_mode(capabilities = [4466], 4461, 16);
spirv_execution_mode(capabilities = [4467], 4462, 16);
#endif
