// SPDX-License-Identifier: Apache-2.0
#include "cli/npy_text.h"

#include "headrace/error.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

namespace headrace::cli {
namespace {

/// NumPy's name: "<f4", "|u1".
std::string type_name(DataType dtype) {
  const std::size_t bytes = size_of(dtype);
  const bool is_half = dtype == DataType::float16;
  if (is_floating_point(dtype) && bytes < 4 && !is_half) {
    throw Error(ErrorCode::unsupported,
                fmt::format("NumPy's .npy has no element type {}, so that such samples cannot be "
                            "packed.",
                            to_string(dtype)));
  }
  const char kind = dtype == DataType::boolean             ? 'b'
                    : is_floating_point(dtype)             ? 'f'
                    : to_string(dtype).starts_with("uint") ? 'u'
                                                           : 'i';
  return fmt::format("{}{}{}", bytes == 1 ? '|' : '<', kind, bytes);
}

}  // namespace

std::string npy_header(const Shape& shape, DataType dtype) {
  constexpr std::size_t kAlignment = 64;  // Of the elements, as NumPy has it.
  constexpr std::size_t kBeforeText = 10;
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 type_name(dtype),
                                 fmt::join(shape, ", "),
                                 shape.rank() == 1 ? "," : "");
  text.append(kAlignment - 1 - (kBeforeText + text.size()) % kAlignment, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace headrace::cli
