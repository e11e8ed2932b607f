// SPDX-License-Identifier: Apache-2.0
#include "cli/describe.h"

#include "headrace/fmt.h"

namespace headrace::cli {

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c != '\n' && c != '\r') {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
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
