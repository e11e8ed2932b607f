// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/shape.h"

#include "support/temp_dir.h"

#include <cstddef>
#include <filesystem>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace headrace::test {

/// NumPy's name for `dtype`: "<f4". There is none for bfloat16 and the 8-bit floating-point types.
inline std::string npy_descr(DataType dtype) {
  switch (dtype) {
    case DataType::boolean:
      return "|b1";
    case DataType::int8:
      return "|i1";
    case DataType::uint8:
      return "|u1";
    case DataType::bfloat16:
    case DataType::float8_e4m3:
    case DataType::float8_e5m2:
      throw std::invalid_argument("NumPy has no such type");
    default:
      break;
  }
  const char kind = is_floating_point(dtype) ? 'f' : to_string(dtype).starts_with("ui") ? 'u' : 'i';
  return std::string("<") + kind + std::to_string(size_of(dtype));
}

/// The dictionary of a header, as NumPy writes it.
inline std::string npy_dictionary(std::string_view descr,
                                  const Shape& shape,
                                  bool is_fortran_order = false) {
  std::string extents;
  for (const std::int64_t extent : shape) {
    extents += std::to_string(extent) + ", ";
  }
  if (shape.rank() > 0) {
    extents.resize(extents.size() - (shape.rank() == 1 ? 1 : 2));
  }
  return "{'descr': '" + std::string(descr) +
         "', 'fortran_order': " + (is_fortran_order ? "True" : "False") + ", 'shape': (" + extents +
         "), }";
}

/// A whole `.npy` file of version `version`.0, its header padded with spaces so that the elements
/// begin at a multiple of 64, as NumPy does.
inline std::string npy_file(std::string_view dictionary,
                            std::string_view elements,
                            int version = 1) {
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t begin = 8 + length_bytes;
  std::string header(dictionary);
  header.append(63 - (begin + header.size()) % 64, ' ');
  header += '\n';
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  for (std::size_t i = 0; i < length_bytes; ++i) {
    file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  return file + header + std::string(elements);
}

/// The bytes of `elements`.
template <std::ranges::contiguous_range Range>
std::string bytes_of(const Range& elements) {
  const auto bytes = std::as_bytes(std::span(elements));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Writes `elements` as an array of `shape` to `path`.
template <std::ranges::contiguous_range Range>
void write_npy(const std::filesystem::path& path, const Shape& shape, const Range& elements) {
  const DataType dtype = data_type_of<std::ranges::range_value_t<Range>>;
  write_file(path, npy_file(npy_dictionary(npy_descr(dtype), shape), bytes_of(elements)));
}

}  // namespace headrace::test
