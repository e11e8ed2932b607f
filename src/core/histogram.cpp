// SPDX-License-Identifier: Apache-2.0
#include "core/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace headrace::core {

void Histogram::add(std::chrono::nanoseconds duration) noexcept {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  const std::uint64_t wide = std::max<std::uint64_t>(ns, kSteps);
  const auto exponent = static_cast<std::size_t>(std::bit_width(wide)) - 1;
  const std::size_t step = (wide >> (exponent - 4)) & (kSteps - 1);
  ++buckets_[exponent * kSteps + step];
  ++count_;
  total_ns_ += ns;
}

double Histogram::percentile_us(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted && seen != 0) {
      const double lower = std::ldexp(1.0 + static_cast<double>(bucket % kSteps) / kSteps,
                                      static_cast<int>(bucket / kSteps));
      return lower * (1.0 + 0.5 / kSteps) / 1e3;
    }
  }
  return 0;
}

StageStats Histogram::summary() const {
  return {count_, static_cast<double>(total_ns_) / 1e3, percentile_us(0.5), percentile_us(0.99)};
}

}  // namespace headrace::core
