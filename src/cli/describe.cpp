// SPDX-License-Identifier: Apache-2.0
#include "cli/describe.h"

#include "headrace/fmt.h"

#include <algorithm>
#include <cstddef>

namespace headrace::cli {
namespace {

/// Bytes of the character that `text` begins with; 0 when it is none of UTF-8, or one that moves a
/// terminal's cursor or colours.
std::size_t character_length(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) {
    return first < 0x20 || first == 0x7f ? 0 : 1;
  }
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  std::uint32_t code = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) {
      return 0;
    }
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr std::uint32_t kLeast[]{0xa0, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xd800 && code < 0xe000;
  return code < kLeast[length - 2] || code > 0x10ffff || is_surrogate ? 0 : length;
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    if (length > 0) {
      line += text.substr(0, length);
    } else if (text.front() == '\n') {
      line += "\\n";
    } else {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return line;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string describe_part(const Shape& shape, DataType dtype) {
  return shape.empty() ? fmt::format("{}", dtype) : fmt::format("{} {}", dtype, shape);
}

std::uint64_t part_bytes(const Shape& shape, DataType dtype) {
  return static_cast<std::uint64_t>(shape.element_count()) * size_of(dtype);
}

std::uint64_t sample_bytes(const SampleSpec& spec) {
  std::uint64_t bytes = part_bytes(spec.input_shape, spec.input_dtype);
  bytes += part_bytes(spec.label_shape, spec.label_dtype);
  for (const SampleSpec::Field& field : spec.fields) {
    bytes += part_bytes(field.shape, field.dtype);
  }
  return bytes;
}

bool has_labels(const SampleSpec& spec) {
  return spec.label_shape != Shape{0};
}

}  // namespace headrace::cli
