// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/stats.h"

#include <array>
#include <chrono>
#include <cstdint>

namespace headrace::core {

/// Durations counted in buckets of sixteen per doubling, so that a percentile is within 1/16. Not
/// synchronised.
class Histogram {
 public:
  void add(std::chrono::nanoseconds duration) noexcept;
  [[nodiscard]] StageStats summary() const;

 private:
  static constexpr std::size_t kSteps = 16;
  [[nodiscard]] double percentile_us(double share) const;

  std::array<std::uint32_t, 64 * kSteps> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t total_ns_ = 0;
};

}  // namespace headrace::core
