// SPDX-License-Identifier: Apache-2.0
// A target at any byte, made one word at a time. Whoever includes this defines
// `uvec2 target_element(uint index)`, which makes any element of the target.

uvec2 target_element(uint index);

// A word of which the first byte is `first` bytes behind the begin of the target, which has `count`
// elements. Bytes outside of the target are anything.
uint word_of_elements(int first, uint count) {
  // Elements begin `skew` bytes before the word's bytes do.
  const int index = first >> findLSB(kToSize);
  const uint skew = uint(first) & (kToSize - 1u);
  const uint a_word = max(4u / kToSize, 1u);
  uint words[3] = uint[3](0u, 0u, 0u);
  for (uint i = 0u; i <= a_word; ++i) {
    const uint at = uint(index) + i;  // Past the count, if before the first.
    if (at >= count || (i == a_word && skew == 0u)) {
      continue;
    }
    const uvec2 element = target_element(at);
    if (kToSize == 8u) {
      words[2u * i] = element.x;
      if (i == 0u) {
        words[1] = element.y;
      }
    } else if (i == a_word) {
      words[1] = element.x;
    } else {
      words[0] |= element.x << (8u * kToSize * i);
    }
  }
  return skew < 4u ? joined(words[0], words[1], skew) : joined(words[1], words[2], skew - 4u);
}

// Makes all words that have a byte of a target of `count` elements which begins at byte `begin`,
// but for those of the first `done` elements, which end where a word does; each invocation takes
// some of them.
void write_words(uint begin, uint count, uint done) {
  const uint end = begin + count * kToSize;
  const uint first = (begin + done * kToSize) / 4u;
  const uint stride = gl_NumWorkGroups.x * kInvocations;
  for (uint word = first + gl_GlobalInvocationID.x; word * 4u < end; word += stride) {
    write_word(word, word_of_elements(int(word * 4u - begin), count), begin, end);
  }
}
