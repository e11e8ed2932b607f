// SPDX-License-Identifier: Apache-2.0
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "float_controls.glsl"

// Expands samples x pixels x channels elements of one type to another, to the same order or to
// planes, some of the channels or all.
//
// Constants: 0 the source's type, 1 the target's, 2 the shape, 3 whether there are coefficients, 4
// how to compute with them (normalise.glsl). Without coefficients, binding 2 is not read.
// Shape 0, any alignment: an invocation makes a word of the target at a time.
//   Groups: (to_offset % 4 + samples * pixels * written_channels * size of target + 3) / 4 words,
//   / 128, rounded up; or fewer.
// Shape 1, aligned: each offset is a multiple of 4 or of an element's size. Constant 5 is how many
//   elements an invocation has under way: 4 at least, 8 at most.
//   Groups: samples * pixels * written_channels / constant 5, / 128, rounded up; or fewer.

#include "workgroup.glsl"
#include "element.glsl"
#include "normalise.glsl"
#include "words.glsl"
#include "coefficients.glsl"
#include "word_of_elements.glsl"

layout(constant_id = 2) const uint kShape = 0;
layout(constant_id = 3) const bool kHasCoefficients = false;
layout(constant_id = 5) const uint kUnderWay = 4;

// Where an element of the target comes from.
struct Origin {
  uint element;
  uint channel;
};

Origin origin_of(uint index) {
  if (to_planar == 0u) {
    return Origin(index, (first_channel + index) % channels);
  }
  const uint plane = index / pixels;
  const uint pixel = index - plane * pixels;
  const uint sample_index = plane / written_channels;
  const uint channel = first_channel + (plane - sample_index * written_channels);
  return Origin((sample_index * pixels + pixel) * channels + channel, channel);
}

uvec2 expanded(uvec2 raw, uint channel) {
  if (!kHasCoefficients) {
    return convert_element(raw);
  }
  const uvec2 coefficient = coefficients_of(channel);
  return store_float32(normalised(element_to_float32(raw), coefficient.x, coefficient.y));
}

// ---- Any alignment.

uvec2 target_element(uint index) {
  const Origin origin = origin_of(index);
  const uvec2 raw = read_element(from_offset + origin.element * kFromSize, kFromSize);
  return expanded(raw, origin.channel);
}

// ---- Aligned. A unit is a word of the target, or an element of 8 bytes.

const uint kUnit = kToSize < 4u ? 4u / kToSize : 1u;  // Elements.
const uint kMostUnderWay = 8u;

uvec2 read_aligned(uint at) {
  switch (kFromSize) {
    case 8u: return uvec2(source_words[at / 4u], source_words[at / 4u + 1u]);
    case 4u: return uvec2(source_words[at / 4u], 0u);
    default:
      return uvec2(
          bitfieldExtract(source_words[at / 4u], int(at % 4u * 8u), int(kFromSize * 8u)), 0u);
  }
}

void write_unit(uint index, uvec2 unit) {
  if (kToSize == 8u) {
    target_words[to_offset / 4u + index * 2u] = unit.x;
    target_words[to_offset / 4u + index * 2u + 1u] = unit.y;
  } else {
    target_words[to_offset / 4u + index] = unit.x;
  }
}

void expand_units(uint units) {
  const uint units_a_group = kUnderWay / kUnit * kInvocations;
  for (uint group = gl_WorkGroupID.x; group * units_a_group < units; group += gl_NumWorkGroups.x) {
    const uint first = group * units_a_group + gl_LocalInvocationID.x;
    // All are on their way before one is worked on. Behind the last one, it again.
    uvec2 raw[kMostUnderWay];
    uint channel[kMostUnderWay];
    [[unroll]] for (uint i = 0u; i < kUnderWay; ++i) {
      const uint index = min(first + i / kUnit * kInvocations, units - 1u);
      const Origin origin = origin_of(index * kUnit + i % kUnit);
      raw[i] = read_aligned(from_offset + origin.element * kFromSize);
      channel[i] = origin.channel;
    }
    [[unroll]] for (uint k = 0u; k < kUnderWay / kUnit; ++k) {
      uvec2 unit = uvec2(0u);
      [[unroll]] for (uint j = 0u; j < kUnit; ++j) {
        const uvec2 element = expanded(raw[k * kUnit + j], channel[k * kUnit + j]);
        unit.x += element.x << (j * kToSize * 8u % 32u);
        unit.y = element.y;
      }
      if (first + k * kInvocations < units) {
        write_unit(first + k * kInvocations, unit);
      }
    }
  }
}

void main() {
  const uint count = samples * pixels * written_channels;
  uint done = 0u;
  if (kShape == 1u) {
    expand_units(count / kUnit);
    done = count / kUnit * kUnit;
  }
  write_words(to_offset, count, done);
}
