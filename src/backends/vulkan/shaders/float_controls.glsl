// SPDX-License-Identifier: Apache-2.0
// With HEADRACE_FLOAT_CONTROLS, the module demands that float32 arithmetic keeps subnormals and
// rounds to nearest even: for devices that have shaderDenormPreserveFloat32 and
// shaderRoundingModeRTEFloat32. Numbers are those of SPIR-V: capabilities DenormPreserve and
// RoundingModeRTE, then the execution modes of the same names.
#ifdef HEADRACE_FLOAT_CONTROLS
#extension GL_EXT_spirv_intrinsics : require
spirv_execution_mode(
    capabilities = [4464], extensions = ["SPV_KHR_float_controls"], 4459, 32);
spirv_execution_mode(
    capabilities = [4467], extensions = ["SPV_KHR_float_controls"], 4462, 32);
#endif
