// SPDX-License-Identifier: Apache-2.0
#include "sources/idx.h"

#include "fuzz/format_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  headrace::fuzz::open_and_read(headrace::sources::kIdxFormat, {bytes, size});
  return 0;
}
