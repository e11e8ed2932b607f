// SPDX-License-Identifier: Apache-2.0
#include "loader/loader_config.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace headrace::loader {

namespace {

constexpr std::size_t kMostWorkers = 1024;
constexpr std::size_t kMostPrefetch = 65536;

void require_range(const char* name, std::size_t value, std::size_t least, std::size_t most) {
  if (value < least || value > most) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is {}; it must be from {} to {}.", name, value, least, most));
  }
}

void refuse(bool wanted, const char* what) {
  if (wanted) {
    throw Error(ErrorCode::unsupported,
                fmt::format("A DataSource is read in its own order and cannot serve {}; use a "
                            "SampleSource.",
                            what));
  }
}

}  // namespace

AsyncDataLoaderConfig checked(AsyncDataLoaderConfig config) {
  const AsyncDataLoaderConfig defaults;
  config.workers = config.workers != 0 ? config.workers : defaults.workers;
  config.prefetch_depth =
      config.prefetch_depth != 0 ? config.prefetch_depth : defaults.prefetch_depth;
  require_range("batch_size", config.batch_size, 1, std::size_t{1} << 40);
  require_range("workers", config.workers, 1, kMostWorkers);
  require_range("prefetch_depth", config.prefetch_depth, 1, kMostPrefetch);
  if (config.shard.rank >= config.shard.world_size) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("shard.rank is {}; it must be below shard.world_size, which is {}.",
                            config.shard.rank,
                            config.shard.world_size));
  }
  if (!config.memory_manager) {
    config.memory_manager = global_memory_manager();
  }
  return config;
}

AsyncDataLoaderConfig checked_serial(AsyncDataLoaderConfig config) {
  config = checked(std::move(config));
  refuse(config.shuffle, "shuffle");
  refuse(config.shard.world_size > 1, "more than one rank");
  refuse(config.on_error == OnError::skip, "on_error = skip");
  refuse(!config.ordered, "ordered = false");
  return config;
}

void require_same_order(const LoaderState& state, const LoaderState& own) {
  std::string differences;
  const auto compare = [&](std::string_view what, const auto& its, const auto& ours) {
    if (its != ours) {
      differences +=
          fmt::format("{}{} {}, not {}", differences.empty() ? "" : ", ", what, its, ours);
    }
  };
  compare("dataset size", state.dataset_size, own.dataset_size);
  if (state.fingerprint != 0 && own.fingerprint != 0) {
    compare("fingerprint of the data set",
            fmt::format("{:016x}", state.fingerprint),
            fmt::format("{:016x}", own.fingerprint));
  }
  compare("seed", state.seed, own.seed);
  compare("shuffle", state.shuffle, own.shuffle);
  if (!differences.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("The state is not of this loader's data and order: {}.", differences));
  }
}

}  // namespace headrace::loader
