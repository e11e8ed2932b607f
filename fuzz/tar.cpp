// SPDX-License-Identifier: Apache-2.0
#include "sources/tar.h"

#include "fuzz/format_input.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t most);

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kCheckOffset = 148;
constexpr std::size_t kCheckBytes = 8;
constexpr std::size_t kMarkOffset = 257;

/// Makes the checksums of all headers right, or no other field of them would be looked at.
void sign_headers(std::span<std::uint8_t> archive) {
  for (; archive.size() >= kBlock; archive = archive.subspan(kBlock)) {
    const std::span<std::uint8_t> header = archive.first(kBlock);
    if (std::memcmp(&header[kMarkOffset], "ustar", 5) != 0) {
      continue;
    }
    std::ranges::fill(header.subspan(kCheckOffset, kCheckBytes), ' ');
    unsigned sum = 0;
    for (const std::uint8_t byte : header) {
      sum += byte;
    }
    char text[kCheckBytes];
    std::snprintf(text, sizeof(text), "%06o", sum);
    std::memcpy(&header[kCheckOffset], text, kCheckBytes - 1);
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes,
                                               std::size_t size,
                                               std::size_t most,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(bytes, size, most);
  if (seed % 8 != 0) {  // Wrong ones are tried too.
    sign_headers({bytes, size});
  }
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  headrace::fuzz::open_and_read(headrace::sources::kTarFormat, {bytes, size});
  return 0;
}
