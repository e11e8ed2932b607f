// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/hazards.h"

#include <algorithm>
#include <cstddef>

namespace headrace::vulkan {

namespace {

/// Beyond so many a barrier costs less than looking for a way around it.
constexpr std::size_t kMostAccesses = 256;

bool overlap(const Range& a, const Range& b) {
  return a.buffer == b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

}  // namespace

bool Hazards::has(const Range& read, const Range& written) const {
  return touches_everything_ || accesses_.size() >= kMostAccesses ||
         std::ranges::any_of(accesses_, [&](const Access& earlier) {
           return overlap(earlier.range, written) ||
                  (earlier.is_write && overlap(earlier.range, read));
         });
}

void Hazards::note(const Range& read, const Range& written) {
  if (read.size != 0) {
    accesses_.push_back({read, false});
  }
  accesses_.push_back({written, true});
}

void Hazards::clear() {
  accesses_.clear();
  touches_everything_ = false;
}

}  // namespace headrace::vulkan
