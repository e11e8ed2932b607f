// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "cli/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
  throw UsageError(fmt::format(
      "--raw: '{}' {}; it is INPUT or INPUT+LABEL, as uint8[32,32,3]+int64.", text, reason));
}

std::int64_t parse_extent(std::string_view text, std::string_view word) {
  std::int64_t extent = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), extent);
  if (error != std::errc{} || end != word.data() + word.size() || extent < 1) {
    refuse(text, fmt::format("has the extent '{}', which is no whole number from 1", word));
  }
  return extent;
}

Shape parse_extents(std::string_view text, std::string_view list) {
  std::vector<std::int64_t> extents;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    extents.push_back(parse_extent(text, list.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (extents.size() > Shape::kMaxRank) {
    refuse(text,
           fmt::format("has {} dimensions, and {} are the most", extents.size(), Shape::kMaxRank));
  }
  return Shape(extents);
}

/// "TYPE" or "TYPE[EXTENT,...]".
std::pair<Shape, DataType> parse_part(std::string_view text, std::string_view part) {
  const std::size_t open = part.find('[');
  const std::string_view name = part.substr(0, open);
  Shape shape;
  if (open != std::string_view::npos) {
    if (!part.ends_with(']')) {
      refuse(text, fmt::format("lacks the ']' at the end of '{}'", part));
    }
    shape = parse_extents(text, part.substr(open + 1, part.size() - open - 2));
  }
  try {
    return {shape, parse_data_type(name)};
  } catch (const Error&) {
    refuse(text, fmt::format("has the type '{}', which is none", name));
  }
}

}  // namespace

SampleSpec parse_raw(std::string_view text) {
  SampleSpec spec;
  const std::size_t plus = text.find('+');
  std::tie(spec.input_shape, spec.input_dtype) = parse_part(text, text.substr(0, plus));
  if (plus == std::string_view::npos) {
    spec.label_shape = Shape{0};
    spec.label_dtype = DataType::uint8;
  } else {
    std::tie(spec.label_shape, spec.label_dtype) = parse_part(text, text.substr(plus + 1));
  }
  return spec;
}

}  // namespace headrace::cli
