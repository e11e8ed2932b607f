// SPDX-License-Identifier: Apache-2.0
#include "sources/compressed.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace headrace::sources {
namespace {

struct Compression {
  std::string_view mark;
  std::string_view command;  ///< That undoes it.
};

constexpr std::array<Compression, 5> kCompressions{{{"\x1f\x8b", "gunzip"},
                                                    {"BZh", "bunzip2"},
                                                    {{"\xfd"
                                                      "7zXZ\0",
                                                      6},
                                                     "unxz"},
                                                    {"\x28\xb5\x2f\xfd", "unzstd"},
                                                    {"\x04\x22\x4d\x18", "unlz4"}}};

}  // namespace

void refuse_compressed(const MappedFile& file) {
  const std::span<const std::byte> bytes = file.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Compression& compression : kCompressions) {
    if (text.starts_with(compression.mark)) {
      file.refuse(ErrorCode::unsupported,
                  0,
                  fmt::format("the file is compressed; unpack it with: {} '{}'",
                              compression.command,
                              file.path().string()));
    }
  }
}

}  // namespace headrace::sources
