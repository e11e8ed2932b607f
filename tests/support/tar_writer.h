// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace headrace::test {

/// The checksum of a tar header, written into it.
inline void sign_tar_header(std::string& header) {
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char byte : header.substr(0, 512)) {
    sum += static_cast<unsigned char>(byte);
  }
  char text[8];
  std::snprintf(text, sizeof(text), "%06o", sum);
  header.replace(148, 8, std::string(text, 7) + ' ');
}

/// The header of a member, of the dialect ustar. \param name  At most 100 bytes.
inline std::string tar_header(std::string_view name, std::size_t size, char type = '0') {
  std::string header(512, '\0');
  const auto put = [&header](std::size_t at, std::string_view text) {
    header.replace(at, text.size(), text);
  };
  char octal[13];
  std::snprintf(octal, sizeof(octal), "%011zo", size);
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, octal);
  put(136, "00000000000");
  header[156] = type;
  put(257, std::string_view("ustar\00000", 8));
  sign_tar_header(header);
  return header;
}

/// A member: its header, `content`, and zeros up to the next block.
inline std::string tar_member(std::string_view name, std::string_view content, char type = '0') {
  std::string member = tar_header(name, content.size(), type).append(content);
  member.resize((member.size() + 511) / 512 * 512);
  return member;
}

/// The end of an archive.
inline std::string tar_end() {
  return std::string(1024, '\0');
}

}  // namespace headrace::test
