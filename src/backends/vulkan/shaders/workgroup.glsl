// SPDX-License-Identifier: Apache-2.0
// The invocations of a workgroup, as geometry.h has them. Used in place of gl_WorkGroupSize, which
// glslc takes for 1 wherever it is named above the layout, without a word.

const uint kInvocations = 128u;
layout(local_size_x = kInvocations) in;
