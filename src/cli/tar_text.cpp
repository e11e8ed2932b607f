// SPDX-License-Identifier: Apache-2.0
#include "cli/tar_text.h"

#include <fmt/format.h>

#include <numeric>

namespace headrace::cli {

std::string tar_header(std::string_view name, std::uint64_t size) {
  constexpr std::size_t kChecksum = 148;
  std::string header(kTarBlock, '\0');
  const auto put = [&header](std::size_t at, std::string_view text) {
    header.replace(at, text.size(), text);
  };
  put(0, name);
  put(100, "0000644");  // Mode, owner, group.
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", size));
  put(136, "00000000000");  // Time.
  put(kChecksum, "        ");
  put(156, "0");
  put(257, std::string_view("ustar\00000", 8));
  const unsigned sum =
      std::accumulate(header.begin(), header.end(), 0U, [](unsigned so_far, char byte) {
        return so_far + static_cast<unsigned char>(byte);
      });
  put(kChecksum, fmt::format("{:06o}", sum));
  header[kChecksum + 6] = '\0';
  return header;
}

}  // namespace headrace::cli
