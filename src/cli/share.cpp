// SPDX-License-Identifier: Apache-2.0
#include "cli/share.h"

#include <algorithm>

namespace headrace::cli {

std::uint64_t Share::of_epoch(std::uint64_t epoch) const {
  if (epoch < start.epoch) {
    return 0;
  }
  std::uint64_t places = dataset_size - (epoch == start.epoch ? start.place : 0);
  for (const LoaderState::Early& range : start.early) {
    places -= range.epoch == epoch ? range.end - range.begin : 0;
  }
  const std::uint64_t step = batch_size * shard.world_size;
  const std::uint64_t rest = tail == Tail::drop ? 0 : places % step;
  const bool has_one_more = shard.rank < rest % shard.world_size;
  return places / step * batch_size + rest / shard.world_size + (has_one_more ? 1 : 0);
}

std::uint64_t Share::of_run(std::uint64_t epochs) const {
  // Only the first epochs can be begun already; the others are alike.
  const std::uint64_t begun = start.early.empty() ? start.epoch : start.early.back().epoch;
  std::uint64_t samples = 0;
  for (std::uint64_t epoch = start.epoch; epoch < epochs && epoch <= begun; ++epoch) {
    samples += of_epoch(epoch);
  }
  return samples + (epochs > begun + 1 ? (epochs - begun - 1) * of_epoch(begun + 1) : 0);
}

}  // namespace headrace::cli
