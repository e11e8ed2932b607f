// SPDX-License-Identifier: Apache-2.0
// With HEADRACE_FLOAT_CONTROLS, the module demands that float32 arithmetic rounds to nearest even and
// keeps the signs of zeros: for devices that have shaderRoundingModeRTEFloat32 and
// shaderSignedZeroInfNanPreserveFloat32. What becomes of subnormal numbers is left to the device:
// few promise to keep them. Numbers are those of SPIR-V: capabilities RoundingModeRTE and
// SignedZeroInfNanPreserve, and the execution modes of the same names, all of them part of SPIR-V
// 1.4. The extension they were before is not named: modules that name it are hardly optimised by
// glslc.
#ifdef HEADRACE_FLOAT_CONTROLS
#extension GL_EXT_spirv_intrinsics : require
spirv_execution_mode(capabilities = [4466], 4461, 32);
spirv_execution_mode(capabilities = [4467], 4462, 32);
#endif
