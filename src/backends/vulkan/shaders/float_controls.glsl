// SPDX-License-Identifier: Apache-2.0
// With HEADRACE_FLOAT_CONTROLS, the module demands that float32 arithmetic keeps subnormals and
// rounds to nearest even: for devices that have shaderDenormPreserveFloat32 and
// shaderRoundingModeRTEFloat32. Numbers are those of SPIR-V: capabilities DenormPreserve and
// RoundingModeRTE, and the execution modes of the same names, all of them part of SPIR-V 1.4. The
// extension they were before is not named: modules that name it are hardly optimised by glslc.
#ifdef HEADRACE_FLOAT_CONTROLS
#extension GL_EXT_spirv_intrinsics : require
spirv_execution_mode(capabilities = [4464], 4459, 32);
spirv_execution_mode(capabilities = [4467], 4462, 32);
#endif
