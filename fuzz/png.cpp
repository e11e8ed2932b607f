// SPDX-License-Identifier: Apache-2.0
#include "fuzz/image_input.h"

#include <zlib.h>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t most);

namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kHeadBytes = 8;  // Of a chunk: its length, and its type.
constexpr std::size_t kCheckBytes = 4;

std::size_t number_at(const std::uint8_t* bytes) {
  return std::size_t{bytes[0]} << 24 | std::size_t{bytes[1]} << 16 | std::size_t{bytes[2]} << 8 |
         bytes[3];
}

/// Makes the checksums of all chunks right, or nothing behind them would be looked at.
void sign_chunks(std::uint8_t* bytes, std::size_t size) {
  for (std::size_t at = kSignatureBytes; at + kHeadBytes + kCheckBytes <= size;) {
    const std::size_t length = number_at(bytes + at);
    if (length > size - at - kHeadBytes - kCheckBytes) {
      return;
    }
    const std::uint8_t* const type = bytes + at + 4;
    const uLong check = crc32(0, type, static_cast<uInt>(length + 4));
    at += kHeadBytes + length;
    for (std::size_t i = 0; i < kCheckBytes; ++i) {
      bytes[at + i] = static_cast<std::uint8_t>(check >> (24 - 8 * i));
    }
    at += kCheckBytes;
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes,
                                               std::size_t size,
                                               std::size_t most,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(bytes, size, most);
  if (seed % 8 != 0) {  // Wrong ones are tried too.
    sign_chunks(bytes, size);
  }
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (!headrace::sources::has_png_signature(std::as_bytes(std::span(bytes, size)))) {
    return -1;  // The other format's; not kept in the corpus.
  }
  headrace::fuzz::decode_image({bytes, size});
  return 0;
}
