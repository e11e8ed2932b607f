// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headrace::test {

/// A safetensors file: the length of `header`, it, and `data`.
inline std::string safetensors_file(std::string_view header, std::string_view data) {
  std::string file;
  for (int shift = 0; shift < 64; shift += 8) {
    file += static_cast<char>(header.size() >> shift & 0xff);
  }
  return file.append(header).append(data);
}

/// The entry of a tensor in a header, without braces around it.
inline std::string safetensors_entry(std::string_view name,
                                     std::string_view dtype,
                                     std::string_view extents,
                                     std::size_t begin,
                                     std::size_t end) {
  return "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":[" +
         std::string(extents) + "],\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(end) + "]}";
}

}  // namespace headrace::test
