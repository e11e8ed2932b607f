// SPDX-License-Identifier: Apache-2.0
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// Copies `pieces` pieces of 16 bytes between places that are multiples of 16 bytes.
// An invocation takes four. Groups: pieces / 512, rounded up; or fewer.

#include "workgroup.glsl"

layout(std430, set = 0, binding = 0) restrict readonly buffer Source {
  uvec4 source[];
};
layout(std430, set = 0, binding = 1) restrict writeonly buffer Target {
  uvec4 target[];
};

layout(push_constant) uniform Parameters {
  uint from_offset;
  uint to_offset;
  uint pieces;
};

const uint kPieces = 4u;  // An invocation's.

void main() {
  const uint pieces_a_group = kPieces * kInvocations;
  for (uint group = gl_WorkGroupID.x; group * pieces_a_group < pieces;
       group += gl_NumWorkGroups.x) {
    const uint first = group * pieces_a_group + gl_LocalInvocationID.x;
    // All are on their way before one is written.
    uvec4 copies[kPieces];
    [[unroll]] for (uint i = 0u; i < kPieces; ++i) {
      if (first + i * kInvocations < pieces) {
        copies[i] = source[from_offset / 16u + first + i * kInvocations];
      }
    }
    [[unroll]] for (uint i = 0u; i < kPieces; ++i) {
      if (first + i * kInvocations < pieces) {
        target[to_offset / 16u + first + i * kInvocations] = copies[i];
      }
    }
  }
}
