// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader.h"

#include <cstdint>

namespace headrace::cli {

/// How many samples a loader hands out, counted apart from the loader's plan.
struct Share {
  std::uint64_t dataset_size = 0;
  std::uint64_t batch_size = 1;
  Shard shard = {};
  Tail tail = Tail::short_batch;
  LoaderState start = {};  ///< Where the run begins.

  /// Samples of `epoch` that this rank hands out; none before the start's epoch.
  [[nodiscard]] std::uint64_t of_epoch(std::uint64_t epoch) const;

  /// Samples that this rank hands out up to the end of the last of `epochs` epochs; 0 if endless.
  [[nodiscard]] std::uint64_t of_run(std::uint64_t epochs) const;

  /// Whether this rank hands out every sample of `epoch`.
  [[nodiscard]] bool is_whole(std::uint64_t epoch) const { return of_epoch(epoch) == dataset_size; }
};

}  // namespace headrace::cli
