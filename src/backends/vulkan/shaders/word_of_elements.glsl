// SPDX-License-Identifier: Apache-2.0
// A target at any byte, made one word at a time. Whoever includes this defines
// `uvec2 target_element(uint index)`, which makes any element of the target.

uvec2 target_element(uint index);

uvec2 element_if_any(uint index, uint count) {
  return index < count ? target_element(index) : uvec2(0u);
}

// A word of which the first byte is `first` bytes behind the begin of the target, which has `count`
// elements. Bytes outside of the target are anything.
uint word_of_elements(int first, uint count) {
  // Elements begin `skew` bytes before the word's bytes do.
  const uint index = uint(first >> findLSB(kToSize));  // Past the count, if before the first.
  const uint skew = uint(first) & (kToSize - 1u);
  const uvec2 element = element_if_any(index, count);
  switch (kToSize) {
    case 8u: {
      const uint next = skew > 4u ? element_if_any(index + 1u, count).x : 0u;
      return skew < 4u ? joined(element.x, element.y, skew) : joined(element.y, next, skew - 4u);
    }
    case 4u: {
      const uint next = skew > 0u ? element_if_any(index + 1u, count).x : 0u;
      return joined(element.x, next, skew);
    }
    case 2u: {
      const uint second = element_if_any(index + 1u, count).x;
      const uint next = skew > 0u ? element_if_any(index + 2u, count).x : 0u;
      return joined(element.x | (second << 16), next, skew);
    }
    default:
      return element.x | (element_if_any(index + 1u, count).x << 8) |
             (element_if_any(index + 2u, count).x << 16) |
             (element_if_any(index + 3u, count).x << 24);
  }
}

// Makes all words that have a byte of a target of `count` elements which begins at byte `begin`,
// but for those of the first `done` elements, which end where a word does; each invocation takes
// some of them.
void write_words(uint begin, uint count, uint done) {
  const uint end = begin + count * kToSize;
  const uint first = (begin + done * kToSize) / 4u;
  const uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint word = first + gl_GlobalInvocationID.x; word * 4u < end; word += stride) {
    write_word(word, word_of_elements(int(word * 4u - begin), count), begin, end);
  }
}
