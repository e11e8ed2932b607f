// SPDX-License-Identifier: Apache-2.0
#include "cli/bound_by.h"

#include <algorithm>

namespace headrace::cli {

std::string_view to_string(BoundBy bound_by) noexcept {
  switch (bound_by) {
    case BoundBy::consumer:
      return "consumer";
    case BoundBy::decode:
      return "decode";
    case BoundBy::storage:
      return "storage";
    case BoundBy::link:
      return "link";
    case BoundBy::held:
      return "held";
  }
  return "unknown";
}

BoundBy bound_by(const AsyncDataLoaderStats& stats, const Load& load) {
  constexpr double kLittleWaiting = 0.1;
  const double seconds = std::max(load.seconds, 1e-9);
  const double read_seconds = stats.read.total_us / 1e6;
  const double consumer_idle = stats.wait_for_batch.total_us / 1e6 / seconds;
  const double workers_idle = 1 - read_seconds / seconds / static_cast<double>(stats.workers);
  const bool has_copy = stats.pinned_bytes > 0;
  const bool is_ahead = !has_copy && consumer_idle < std::min(workers_idle, 0.5);
  if (consumer_idle < kLittleWaiting || is_ahead) {
    return BoundBy::consumer;
  }
  if (stats.slots_replaced > 0) {
    return BoundBy::held;
  }
  if (has_copy && workers_idle > 0.5) {
    return BoundBy::link;
  }
  if (load.storage_reads > 0 && load.processor_seconds < read_seconds / 2) {
    return BoundBy::storage;
  }
  return BoundBy::decode;
}

}  // namespace headrace::cli
