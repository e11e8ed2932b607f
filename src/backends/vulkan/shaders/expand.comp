// SPDX-License-Identifier: Apache-2.0
#version 450
#extension GL_GOOGLE_include_directive : require
#include "float_controls.glsl"

// Expands samples x pixels x channels elements of one type to another, to the same order or to
// planes, some of the channels or all. Anything at any alignment; an invocation makes a word of the
// target at a time.
//
// Constants: 0 the source's type, 1 the target's, 3 whether there are coefficients, 4 how to
// compute with them (normalise.glsl). Without coefficients, binding 2 is not read.
// Groups: (to_offset % 4 + samples * pixels * written_channels * size of target + 3) / 4 words,
//   / 128, rounded up; or fewer.

#include "workgroup.glsl"
#include "element.glsl"
#include "normalise.glsl"
#include "words.glsl"
#include "coefficients.glsl"
#include "word_of_elements.glsl"

layout(constant_id = 3) const bool kHasCoefficients = false;

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

uvec2 target_element(uint index) {
  const Origin origin = origin_of(index);
  const uvec2 raw = read_element(from_offset + origin.element * kFromSize, kFromSize);
  if (!kHasCoefficients) {
    return convert_element(raw);
  }
  const uvec2 coefficient = coefficients_of(origin.channel);
  return store_float32(normalised(element_to_float32(raw), coefficient.x, coefficient.y));
}

void main() {
  write_words(to_offset, samples * pixels * written_channels, 0u);
}
