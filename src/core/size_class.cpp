// SPDX-License-Identifier: Apache-2.0
#include "core/size_class.h"

#include "headrace/error.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

namespace headrace::core {

constinit const SizeClasses::Table SizeClasses::kEighths = table(3);
constinit const SizeClasses::Table SizeClasses::kQuarters = table(2);

std::size_t checked_round_up(std::size_t value, std::size_t step) {
  if (value > std::numeric_limits<std::size_t>::max() - (step - 1)) {
    throw Error(ErrorCode::invalid_argument,
                "A size of " + std::to_string(value) + " bytes cannot be rounded up to " +
                    std::to_string(step) + " bytes.");
  }
  return (value + step - 1) & ~(step - 1);
}

std::size_t checked_multiply(std::size_t a, std::size_t b) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) {
    throw Error(ErrorCode::invalid_argument,
                "The size " + std::to_string(a) + " x " + std::to_string(b) +
                    " bytes does not fit in 64 bits.");
  }
  return a * b;
}

std::size_t capacity_for(std::size_t size, SizeClassPolicy policy) {
  const std::size_t rounded = checked_round_up(std::max<std::size_t>(size, 1), kGranule);
  if (policy == SizeClassPolicy::exact) {
    return rounded;
  }
  // Above the classes a finer step costs nothing, and wastes little.
  const std::size_t steps_per_doubling = rounded > kLargestClass              ? 64
                                         : policy == SizeClassPolicy::eighths ? 8
                                                                              : 4;
  const std::size_t step = std::bit_floor(rounded) / steps_per_doubling;
  return checked_round_up(rounded, std::max(step, kGranule));
}

}  // namespace headrace::core
