// SPDX-License-Identifier: Apache-2.0
#include "fuzz/image_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (!headrace::sources::has_jpeg_signature(std::as_bytes(std::span(bytes, size)))) {
    return -1;  // The other format's; not kept in the corpus.
  }
  headrace::fuzz::decode_image({bytes, size});
  return 0;
}
