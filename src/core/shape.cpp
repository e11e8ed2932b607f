// SPDX-License-Identifier: Apache-2.0
#include "headrace/shape.h"

#include "headrace/error.h"

#include <limits>

namespace headrace {

Shape::Shape(std::span<const std::int64_t> extents) {
  for (const std::int64_t extent : extents) {
    append(extent);
  }
}

void Shape::append(std::int64_t extent) {
  if (rank_ == kMaxRank) {
    throw Error(ErrorCode::invalid_argument,
                "Shape " + to_string() + " cannot take another dimension of extent " +
                    std::to_string(extent) + "; the limit is " + std::to_string(kMaxRank) +
                    " dimensions.");
  }
  if (extent < 0) {
    throw Error(ErrorCode::invalid_argument,
                "Dimension " + std::to_string(rank_) + " of a shape is given the extent " +
                    std::to_string(extent) + "; the least is 0.");
  }
  extents_[rank_] = extent;
  ++rank_;
}

void Shape::refuse_extent(std::uint64_t extent) {
  throw Error(ErrorCode::invalid_argument,
              "A dimension of a shape is given the extent " + std::to_string(extent) +
                  "; the limit is " + std::to_string(std::numeric_limits<std::int64_t>::max()) +
                  ".");
}

std::int64_t Shape::element_count() const {
  constexpr std::int64_t kLimit = std::numeric_limits<std::int64_t>::max();
  if (std::ranges::find(*this, 0) != end()) {
    return 0;  // Also where the other extents alone would overflow.
  }
  std::int64_t count = 1;
  for (const std::int64_t extent : *this) {
    if (extent > kLimit / count) {
      throw Error(ErrorCode::invalid_argument,
                  "Shape " + to_string() + " has more elements than the limit of " +
                      std::to_string(kLimit) + ".");
    }
    count *= extent;
  }
  return count;
}

Shape Shape::with_leading(std::int64_t extent) const {
  Shape result(extent);
  for (const std::int64_t own : *this) {
    result.append(own);
  }
  return result;
}

Shape Shape::without_leading() const {
  if (empty()) {
    throw Error(ErrorCode::invalid_argument,
                "A shape of 0 dimensions, a scalar, has no first dimension to remove; the least "
                "is 1.");
  }
  return Shape(std::span(begin(), end()).subspan(1));
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (const std::int64_t extent : *this) {
    text += text.size() == 1 ? "" : ", ";
    text += std::to_string(extent);
  }
  return text + "]";
}

}  // namespace headrace
