// SPDX-License-Identifier: Apache-2.0
#include "sources/byte_order.h"

#include <cstdint>
#include <cstring>

namespace headrace::sources {
namespace {

std::uint16_t reverse_bytes(std::uint16_t word) {
  return __builtin_bswap16(word);
}
std::uint32_t reverse_bytes(std::uint32_t word) {
  return __builtin_bswap32(word);
}
std::uint64_t reverse_bytes(std::uint64_t word) {
  return __builtin_bswap64(word);
}

template <class Word>
void reverse_words(std::span<std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Word)) {
    Word word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof(Word));
    word = reverse_bytes(word);
    std::memcpy(bytes.data() + at, &word, sizeof(Word));
  }
}

}  // namespace

void reverse_elements(std::span<std::byte> bytes, std::size_t element_bytes) {
  switch (element_bytes) {
    case 2:
      return reverse_words<std::uint16_t>(bytes);
    case 4:
      return reverse_words<std::uint32_t>(bytes);
    case 8:
      return reverse_words<std::uint64_t>(bytes);
    default:
      return;
  }
}

}  // namespace headrace::sources
