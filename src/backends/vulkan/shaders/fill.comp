// SPDX-License-Identifier: Apache-2.0
#version 450
#extension GL_GOOGLE_include_directive : require

// Repeats an element of 1, 2, 4 or 8 bytes over `bytes` bytes of the target, from `to_offset` on;
// the last copy may be cut off. An invocation makes 16 bytes.
// Groups: (to_offset % 16 + bytes + 15) / 16, / 128, rounded up; or fewer.

#include "workgroup.glsl"
#include "words.glsl"

layout(push_constant) uniform Parameters {
  uint to_offset;
  uint bytes;
  uint pattern_low;  // The element, in its low bytes.
  uint pattern_high;
  uint element_bytes;
};

// The element, repeated up to eight bytes.
uvec2 pattern() {
  switch (element_bytes) {
    case 1u: return uvec2((pattern_low & 0xffu) * 0x01010101u);
    case 2u: return uvec2((pattern_low & 0xffffu) * 0x00010001u);
    case 4u: return uvec2(pattern_low);
    default: return uvec2(pattern_low, pattern_high);
  }
}

void main() {
  const uvec2 repeated = pattern();
  // Every 16 bytes that begin at a multiple of 16 are the same.
  const uint skew = (0u - to_offset) & 7u;
  const uvec2 ahead = skew < 4u ? repeated : repeated.yx;
  const uint rest = skew & 3u;
  const uvec2 turned = uvec2(joined(ahead.x, ahead.y, rest), joined(ahead.y, ahead.x, rest));
  const uint end = to_offset + bytes;
  const uint stride = gl_NumWorkGroups.x * kInvocations;
  for (uint quad = to_offset / 16u + gl_GlobalInvocationID.x; quad * 16u < end; quad += stride) {
    if (quad * 16u >= to_offset && quad * 16u + 16u <= end) {
      target_quads[quad] = turned.xyxy;
      continue;
    }
    for (uint word = quad * 4u; word < quad * 4u + 4u; ++word) {
      if (word * 4u + 4u > to_offset && word * 4u < end) {
        write_word(word, turned[word & 1u], to_offset, end);
      }
    }
  }
}
