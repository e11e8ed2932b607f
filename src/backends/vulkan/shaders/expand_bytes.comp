// SPDX-License-Identifier: Apache-2.0
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "float_controls.glsl"

// Expansions of UINT8 with coefficients, which are finite, to FLOAT32, FLOAT16 or BFLOAT16, in the
// shapes that images have. A piece is 16 bytes of the target: 4 elements, or 8.
//
// Constants: 1 the target's type, 2 the shape, 4 how to compute (normalise.glsl), 5 the channels,
// or 0 for any number up to 64. Made for 1 and 3 channels.
// Shape 1, interleaved to interleaved: to_offset is a multiple of 16 and from_offset of a piece's
//   elements. An invocation takes four pieces. Groups: samples * pixels * channels elements / a
//   piece's, rounded up, / 512, rounded up; or fewer.
// Shape 2, three channels to planes: the same, and so is pixels a multiple of a piece's elements.
//   An invocation takes one piece of each plane. Constant 5 is 3.
//   Groups: samples * pixels / a piece's elements / 128, rounded up; or fewer.
// Shape 3, up to 64 channels to planes: to_offset is a multiple of an element's size. A group takes
//   a tile of a sample.
//   Groups: samples * tiles_of_sample(), below; or fewer.

#include "workgroup.glsl"
#include "types.glsl"
#include "real.glsl"
#include "normalise.glsl"
#include "words.glsl"
#include "coefficients.glsl"
#include "word_of_elements.glsl"

layout(constant_id = 2) const uint kShape = 1;
layout(constant_id = 5) const uint kChannels = 0;

const uint kPiece = 16u / kToSize;
const uint kMostChannels = 64u;
const uint kLargestPiece = 8u;

uint expanded(uint byte, uvec2 coefficient) {
  const uint bits = normalised(small_whole_to_float32(byte), coefficient.x, coefficient.y);
  switch (kTo) {
    case FLOAT16: return round_number_to_small(bits, kFloat16Format);
    case BFLOAT16: return round_number_to_bfloat16(bits);
    default: return bits;
  }
}

uint source_channels() {
  return kChannels == 0u ? channels : kChannels;
}

// Puts an element into its place in a piece of the target.
void put(inout uint words[4], uint index, uint element) {
  if (kToSize == 4u) {
    words[index] = element;
  } else {
    words[index / 2u] += element << (index % 2u * 16u);
  }
}

uvec4 quad_of(uint words[4]) {
  return uvec4(words[0], words[1], words[2], words[3]);
}

// The bytes of a piece, at a multiple of their number.
uvec2 read_bytes_of_piece(uint at) {
  return kPiece == 4u ? uvec2(source_words[at / 4u], 0u) : source_pairs[at / 8u];
}

// ---- Interleaved.

const uint kPieces = 4u;  // An invocation's.

// Coefficients of the channels from first_channel on, and again of the first ones, so that a piece
// that begins at any channel reads on from there.
shared uvec2 table[kMostChannels + kLargestPiece];

void fill_table() {
  for (uint i = gl_LocalInvocationID.x; i < source_channels() + kPiece; i += kInvocations) {
    table[i] = coefficients_of((first_channel + i) % source_channels());
  }
  barrier();
}

uvec4 expanded_piece(uvec2 bytes, uint channel) {
  // Of few channels, each one's coefficients are read once.
  const uint read = kChannels == 0u ? kPiece : kChannels;
  uvec2 entries[kLargestPiece];
  [[unroll]] for (uint j = 0u; j < read; ++j) {
    entries[j] = table[channel + j];
  }
  uint words[4] = uint[4](0u, 0u, 0u, 0u);
  [[unroll]] for (uint j = 0u; j < kPiece; ++j) {
    const uint byte = bitfieldExtract(j < 4u ? bytes.x : bytes.y, int(j % 4u * 8u), 8);
    put(words, j, expanded(byte, entries[j % read]));
  }
  return quad_of(words);
}

void expand_pieces(uint pieces) {
  for (uint group = gl_WorkGroupID.x; group * kPieces * kInvocations < pieces;
       group += gl_NumWorkGroups.x) {
    const uint first = group * kPieces * kInvocations + gl_LocalInvocationID.x;
    uvec2 bytes[kPieces];
    [[unroll]] for (uint k = 0u; k < kPieces; ++k) {
      const uint index = first + k * kInvocations;
      if (index < pieces) {
        bytes[k] = read_bytes_of_piece(from_offset + index * kPiece);
      }
    }
    if (group == gl_WorkGroupID.x) {
      fill_table();  // While the bytes are on their way.
    }
    [[unroll]] for (uint k = 0u; k < kPieces; ++k) {
      const uint index = first + k * kInvocations;
      if (index < pieces) {
        const uint channel = index * kPiece % source_channels();
        target_quads[to_offset / 16u + index] = expanded_piece(bytes[k], channel);
      }
    }
  }
}

uvec2 target_element(uint index) {
  const uvec2 coefficient = coefficients_of((first_channel + index) % source_channels());
  return uvec2(expanded(read_bytes(from_offset + index, 1u), coefficient), 0u);
}

void expand_interleaved() {
  const uint count = samples * pixels * channels;
  expand_pieces(count / kPiece);
  write_words(to_offset, count, count / kPiece * kPiece);
}

// ---- Three channels to planes, everything aligned.

void expand_three_planes() {
  const uint units = pixels / kPiece;  // Of a plane.
  const uint stride = gl_NumWorkGroups.x * kInvocations;
  for (uint unit = gl_GlobalInvocationID.x; unit < samples * units; unit += stride) {
    uint bytes[6];
    [[unroll]] for (uint k = 0u; k < 3u; ++k) {
      const uvec2 read = read_bytes_of_piece(from_offset + (unit * 3u + k) * kPiece);
      bytes[k * kPiece / 4u] = read.x;
      if (kPiece == 8u) {
        bytes[k * 2u + 1u] = read.y;
      }
    }
    const uint sample_index = unit / units;
    const uint first_plane = to_offset / 16u + sample_index * written_channels * units +
                             (unit - sample_index * units);
    [[unroll]] for (uint channel = 0u; channel < kChannels; ++channel) {
      const uint plane = channel - first_channel;
      if (plane >= written_channels) {
        continue;
      }
      const uvec2 coefficient = coefficients_of(channel);
      uint words[4] = uint[4](0u, 0u, 0u, 0u);
      [[unroll]] for (uint j = 0u; j < kPiece; ++j) {
        const uint at = j * 3u + channel;
        const uint byte = bitfieldExtract(bytes[at / 4u], int(at % 4u * 8u), 8);
        put(words, j, expanded(byte, coefficient));
      }
      target_quads[first_plane + plane * units] = quad_of(words);
    }
  }
}

// ---- Any number of channels to planes, at any place: by way of shared memory.

const uint kTileBytes = 3072u;  // Of a sample, for a group, but for what pieces begin early.
const uint kStagedWords = (kTileBytes + kLargestPiece * kMostChannels + 8u) / 4u;
shared uint staged[kStagedWords];

uint pieces_of_tile() {
  return kTileBytes / (source_channels() * kPiece);
}

// Of the last tile, pieces may begin a piece early.
uint tiles_of_sample() {
  const uint tile_pixels = pieces_of_tile() * kPiece;
  return (pixels + kPiece + tile_pixels - 1u) / tile_pixels;
}

// Brings bytes to shared memory, as far from a multiple of 4 as they are.
void stage(uint begin, uint end) {
  const uint first = begin / 4u + gl_LocalInvocationID.x;
  const uint most = (kStagedWords + kInvocations - 1u) / kInvocations;
  // All are on their way before one is put down.
  uint read[most];
  [[unroll]] for (uint i = 0u; i < most; ++i) {
    if ((first + i * kInvocations) * 4u < end) {
      read[i] = source_words[first + i * kInvocations];
    }
  }
  [[unroll]] for (uint i = 0u; i < most; ++i) {
    if ((first + i * kInvocations) * 4u < end) {
      staged[gl_LocalInvocationID.x + i * kInvocations] = read[i];
    }
  }
}

// The staged byte at `at`.
uint staged_byte(uint at) {
  return (staged[at / 4u] >> (at % 4u * 8u)) & 0xffu;
}

// Words that hold a channel of a piece, wherever it begins.
const uint kSpan = (kChannels * (kPiece - 1u) + 7u) / 4u;
const uint kMostSpan = 8u;

// A piece of a plane that has all of its pixels. `place` is where the first one's byte is staged.
uvec4 whole_piece(uint place, uvec2 coefficient) {
  uint words[4] = uint[4](0u, 0u, 0u, 0u);
  if (kChannels == 0u) {
    [[unroll]] for (uint j = 0u; j < kPiece; ++j) {
      put(words, j, expanded(staged_byte(place + j * channels), coefficient));
    }
    return quad_of(words);
  }
  // Of few channels, each word is read once.
  uint read[kMostSpan + 1u];
  [[unroll]] for (uint i = 0u; i < kSpan; ++i) {
    read[i] = staged[place / 4u + i];
  }
  read[kSpan] = 0u;
  [[unroll]] for (uint i = 0u; i < kSpan; ++i) {
    read[i] = joined(read[i], read[i + 1u], place % 4u);
  }
  [[unroll]] for (uint j = 0u; j < kPiece; ++j) {
    const uint at = j * kChannels;
    const uint byte = bitfieldExtract(read[at / 4u], int(at % 4u * 8u), 8);
    put(words, j, expanded(byte, coefficient));
  }
  return quad_of(words);
}

// A piece of a plane that begins before the plane or ends behind it, to where its first byte is in
// the target, or would be. `place` is where the first pixel's byte is staged, or would be.
void write_part_of_piece(int first_pixel, int place, uint at, uint plane_begin, uvec2 coefficient) {
  uint words[4] = uint[4](0u, 0u, 0u, 0u);
  [[unroll]] for (uint j = 0u; j < kPiece; ++j) {
    const int pixel = first_pixel + int(j);
    if (pixel >= 0 && pixel < int(pixels)) {
      put(words, j, expanded(staged_byte(uint(place + int(j * source_channels()))), coefficient));
    }
  }
  const uint end = plane_begin + pixels * kToSize;
  [[unroll]] for (uint word = 0u; word < 4u; ++word) {
    const uint word_at = at + word * 4u;
    if (word_at + 4u > plane_begin && word_at < end) {
      write_word(word_at / 4u, words[word], plane_begin, end);
    }
  }
}

void write_plane_piece(int first_pixel, int place, uint plane_begin, uvec2 coefficient) {
  const uint at = uint(int(plane_begin) + first_pixel * int(kToSize));
  if (first_pixel >= 0 && first_pixel + int(kPiece) <= int(pixels)) {
    target_quads[at / 16u] = whole_piece(uint(place), coefficient);
  } else {
    write_part_of_piece(first_pixel, place, at, plane_begin, coefficient);
  }
}

void expand_tile(uint sample_index, uint tile) {
  const uint pieces = pieces_of_tile();
  const uint tile_first = tile * pieces * kPiece;
  const uint first = max(tile_first, kPiece) - kPiece;
  const uint end = min(tile_first + pieces * kPiece, pixels);
  const uint begin_byte = from_offset + (sample_index * pixels + first) * source_channels();
  if (end > first) {
    stage(begin_byte, begin_byte + (end - first) * source_channels());
  }
  barrier();
  for (uint item = gl_LocalInvocationID.x; item < pieces * written_channels;
       item += kInvocations) {
    const uint plane = item / pieces;
    const uint channel = first_channel + plane;
    const uint begin =
        to_offset + (sample_index * written_channels + plane) * pixels * kToSize;
    // Pieces are aligned in the target: in each plane they begin at another pixel.
    const int skew = int(begin % 16u / kToSize);
    const int pixel = int(tile_first + (item - plane * pieces) * kPiece) - skew;
    const int ahead = (pixel - int(first)) * int(source_channels());
    const int place = int(begin_byte % 4u + channel) + ahead;
    if (pixel < int(pixels) && pixel + int(kPiece) > 0) {
      write_plane_piece(pixel, place, begin, coefficients_of(channel));
    }
  }
}

void expand_planes() {
  const uint tiles = tiles_of_sample();
  for (uint group = gl_WorkGroupID.x; group < samples * tiles; group += gl_NumWorkGroups.x) {
    barrier();  // The last tile is no longer needed.
    expand_tile(group / tiles, group % tiles);
  }
}

void main() {
  switch (kShape) {
    case 1u: expand_interleaved(); break;
    case 2u: expand_three_planes(); break;
    default: expand_planes(); break;
  }
}
