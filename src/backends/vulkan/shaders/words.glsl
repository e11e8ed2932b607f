// SPDX-License-Identifier: Apache-2.0
// The source and the target of a dispatch: read at any byte, written a word at a time.
//
// A descriptor begins at a multiple of 256 bytes and ends at a multiple of 4, at or behind the last
// byte of the range. No word is read or written that has no byte of the range.

layout(std430, set = 0, binding = 0) restrict readonly buffer SourceWords {
  uint source_words[];
};
layout(std430, set = 0, binding = 0) restrict readonly buffer SourcePairs {
  uvec2 source_pairs[];
};
layout(std430, set = 0, binding = 0) restrict readonly buffer SourceQuads {
  uvec4 source_quads[];
};
layout(std430, set = 0, binding = 1) restrict buffer TargetWords {
  uint target_words[];
};
layout(std430, set = 0, binding = 1) restrict writeonly buffer TargetPairs {
  uvec2 target_pairs[];
};
layout(std430, set = 0, binding = 1) restrict writeonly buffer TargetQuads {
  uvec4 target_quads[];
};

// The `size` bytes, at most four, at any byte.
uint read_bytes(uint at, uint size) {
  const uint shift = (at & 3u) * 8u;
  uint bytes = source_words[at >> 2] >> shift;
  if (shift + size * 8u > 32u) {
    bytes |= source_words[(at >> 2) + 1u] << (32u - shift);
  }
  return size == 4u ? bytes : bytes & ((1u << (size * 8u)) - 1u);
}

// The element of `size` bytes at any byte.
uvec2 read_element(uint at, uint size) {
  return size == 8u ? uvec2(read_bytes(at, 4u), read_bytes(at + 4u, 4u))
                    : uvec2(read_bytes(at, size), 0u);
}

// Four bytes of two words, from byte `first` on, 0 to 3.
uint joined(uint low, uint high, uint first) {
  return first == 0u ? low : (low >> (first * 8u)) | (high << (32u - first * 8u));
}

// Writes those bytes of a word of the target that are at `begin` or behind and before `end`; the
// word has one at least. The others may be another dispatch's, which writes them at the same time:
// they are left alone, bit by bit.
void write_word(uint word, uint value, uint begin, uint end) {
  const uint at = word * 4u;
  const uint skipped = max(at, begin) - at;
  const uint left = at + 4u - min(at + 4u, end);
  if ((skipped | left) == 0u) {
    target_words[word] = value;
    return;
  }
  const uint mask = (~0u << (skipped * 8u)) & (~0u >> (left * 8u));
  atomicAnd(target_words[word], ~mask);
  atomicOr(target_words[word], value & mask);
}
