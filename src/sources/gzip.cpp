// SPDX-License-Identifier: Apache-2.0
#include "sources/gzip.h"

#include <fmt/format.h>

namespace headrace::sources {

void refuse_gzip(const MappedFile& file) {
  const std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}) {
    file.refuse(
        ErrorCode::unsupported,
        0,
        fmt::format("the file is compressed; unpack it with: gunzip '{}'", file.path().string()));
  }
}

}  // namespace headrace::sources
