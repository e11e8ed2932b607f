// SPDX-License-Identifier: Apache-2.0
#include "sources/sample_spec.h"

#include "headrace/error.h"

#include <fmt/format.h>

namespace headrace::sources {

void check_spec(std::string_view what, const SampleSpec& spec) {
  if (!spec.fields.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} have inputs and labels only, and the spec has {} fields.",
                            what,
                            spec.fields.size()));
  }
  if (spec.input_shape.element_count() == 0) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("The spec's input shape {} has no elements.", spec.input_shape.to_string()));
  }
}

std::size_t part_bytes(std::string_view part, const Shape& shape, DataType dtype) {
  const auto elements = static_cast<std::size_t>(shape.element_count());
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(elements, size_of(dtype), &bytes)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("A sample's {} of shape {} and type {} is more than memory can hold.",
                            part,
                            shape.to_string(),
                            to_string(dtype)));
  }
  return bytes;
}

}  // namespace headrace::sources
