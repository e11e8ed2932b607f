// SPDX-License-Identifier: Apache-2.0
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "float_controls.glsl"

// Converts elements of one type to another, or copies those of one type.
//
// Constants: 0 the source's type, 1 the target's, 2 the shape.
// Shape 0, any alignment: `count` is of elements. An invocation makes a word of the target.
//   Groups: (to_offset % 4 + count * size of target + 3) / 4 words, / 128, rounded up; or fewer.
// Shape 1, aligned: `count` is of pieces. A piece is
//     max(16 / size of the wider type, 4 / size of the target's)
//   elements, that is, 16 bytes of the wider type and 2 to 16 of the other; or, from types of 8
//   bytes to types of 1, 32 and 4. Each offset is a multiple of what a piece has on its side, or of 16 if
//   that is less. An invocation takes two pieces. Groups: count / 256, rounded up; or fewer.

#include "workgroup.glsl"
#include "element.glsl"
#include "words.glsl"

layout(constant_id = 2) const uint kShape = 0;

layout(push_constant) uniform Parameters {
  uint from_offset;
  uint to_offset;
  uint count;
};

// ---- Any alignment.

#include "word_of_elements.glsl"

uvec2 target_element(uint index) {
  return convert_element(read_element(from_offset + index * kFromSize, kFromSize));
}

// ---- Aligned.

const uint kPieceOfWider = 16u / (kFromSize > kToSize ? kFromSize : kToSize);
const uint kPieceOfTarget = 4u / kToSize;  // A word at least, for others are not written at once.
const uint kPiece = kPieceOfWider > kPieceOfTarget ? kPieceOfWider : kPieceOfTarget;
const uint kFromBytes = kPiece * kFromSize;
const uint kToBytes = kPiece * kToSize;

struct Piece {
  uint words[8];
};

// The loops below end at specialization constants, so that it is the driver that unrolls them.
const uint kFromQuads = kFromBytes / 16u;
const uint kToQuads = kToBytes / 16u;

Piece read_piece(uint index) {
  const uint at = from_offset + index * kFromBytes;
  Piece piece;
  if (kFromBytes == 2u) {
    piece.words[0] = source_words[at / 4u] >> (at % 4u * 8u);
  } else if (kFromBytes == 4u) {
    piece.words[0] = source_words[at / 4u];
  } else if (kFromBytes == 8u) {
    const uvec2 pair = source_pairs[at / 8u];
    piece.words[0] = pair.x;
    piece.words[1] = pair.y;
  } else {
    [[unroll]] for (uint i = 0u; i < kFromQuads; ++i) {
      const uvec4 quad = source_quads[at / 16u + i];
      piece.words[4u * i] = quad.x;
      piece.words[4u * i + 1u] = quad.y;
      piece.words[4u * i + 2u] = quad.z;
      piece.words[4u * i + 3u] = quad.w;
    }
  }
  return piece;
}

void write_piece(uint index, Piece piece) {
  const uint at = to_offset + index * kToBytes;
  if (kToBytes == 4u) {
    target_words[at / 4u] = piece.words[0];
  } else if (kToBytes == 8u) {
    target_pairs[at / 8u] = uvec2(piece.words[0], piece.words[1]);
  } else {
    [[unroll]] for (uint i = 0u; i < kToQuads; ++i) {
      target_quads[at / 16u + i] = uvec4(piece.words[4u * i],
                                         piece.words[4u * i + 1u],
                                         piece.words[4u * i + 2u],
                                         piece.words[4u * i + 3u]);
    }
  }
}

uvec2 element_of(Piece piece, uint index) {
  if (kFromSize == 8u) {
    return uvec2(piece.words[2u * index], piece.words[2u * index + 1u]);
  }
  const uint bits = kFromSize * 8u;
  const uint word = piece.words[index * kFromSize / 4u];
  return uvec2(bitfieldExtract(word, int(index * bits % 32u), int(bits)), 0u);
}

// Every result, of types of one byte whose conversion is more work than looking it up.
#define USES_TABLE \
  (kFromSize == 1u && kToSize <= 2u && kFrom != kTo && kFrom != BOOLEAN && kTo != BOOLEAN && \
   (IS_FLOAT8(kFrom) || IS_FLOAT8(kTo)))
shared uint table[256];

void fill_table() {
  for (uint i = gl_LocalInvocationID.x; i < 256u; i += kInvocations) {
    table[i] = convert_element(uvec2(i, 0u)).x;
  }
  barrier();
}

uvec2 looked_up(uvec2 element) {
  if (USES_TABLE) {
    return uvec2(table[element.x], 0u);
  }
  return convert_element(element);
}

Piece converted(Piece from) {
  Piece to;
  [[unroll]] for (uint i = 0u; i < kToBytes / 4u; ++i) {
    to.words[i] = 0u;
  }
  [[unroll]] for (uint i = 0u; i < kPiece; ++i) {
    const uvec2 element = looked_up(element_of(from, i));
    if (kToSize == 8u) {
      to.words[2u * i] = element.x;
      to.words[2u * i + 1u] = element.y;
    } else {
      // A sum of what has no bit in common: one instruction, where a device has shift-and-add.
      to.words[i * kToSize / 4u] += element.x << (i * kToSize * 8u % 32u);
    }
  }
  return to;
}

const uint kPieces = 2u;  // An invocation's.

void convert_pieces() {
  const uint pieces_a_group = kPieces * kInvocations;
  if (USES_TABLE) {
    fill_table();
  }
  for (uint group = gl_WorkGroupID.x; group * pieces_a_group < count;
       group += gl_NumWorkGroups.x) {
    const uint first = group * pieces_a_group + gl_LocalInvocationID.x;
    // All are on their way before one is worked on.
    Piece pieces[kPieces];
    [[unroll]] for (uint i = 0u; i < kPieces; ++i) {
      if (first + i * kInvocations < count) {
        pieces[i] = read_piece(first + i * kInvocations);
      }
    }
    [[unroll]] for (uint i = 0u; i < kPieces; ++i) {
      if (first + i * kInvocations < count) {
        write_piece(first + i * kInvocations, converted(pieces[i]));
      }
    }
  }
}

void main() {
  if (kShape == 0u) {
    write_words(to_offset, count, 0u);
  } else {
    convert_pieces();
  }
}
