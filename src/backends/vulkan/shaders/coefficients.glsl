// SPDX-License-Identifier: Apache-2.0
// The coefficients of an expansion: a scale for each channel and then a bias for each. And the
// parameters of both shaders that expand.

layout(std430, set = 0, binding = 2) restrict readonly buffer Coefficients {
  uint coefficients[];
};

layout(push_constant) uniform Parameters {
  uint from_offset;
  uint to_offset;
  uint samples;
  uint pixels;             // Of a sample.
  uint channels;           // Of a pixel of the source.
  uint to_planar;          // 1: the target is samples x written_channels x pixels.
  uint first_channel;      // Of those written; or, if not planar, the channel of the first element.
  uint written_channels;   // If not planar, `channels`.
};

// Scale and bias.
uvec2 coefficients_of(uint channel) {
  return uvec2(coefficients[channel], coefficients[channels + channel]);
}
