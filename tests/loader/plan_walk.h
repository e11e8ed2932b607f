// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plans drawn at random, and what their batches hold, written out place by place.

#include "loader/plan.h"

#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace headrace::loader::testing {

using Spot = std::pair<std::uint64_t, std::uint64_t>;  // An epoch and a place in it.

inline std::uint64_t draw(std::uint64_t begin, std::uint64_t end) {
  return *rc::gen::inRange(begin, end);
}

inline Tail draw_tail() {
  return *rc::gen::element(Tail::short_batch, Tail::drop, Tail::pad_repeat, Tail::pad_zero);
}

// New sizes for the same run; `rank` is 0.
inline void draw_sizes(PlanConfig& config) {
  config.world_size = draw(1, 6);
  config.batch_size = draw(1, 12);
  config.rank = 0;
}

inline PlanConfig draw_config() {
  PlanConfig config{.samples = draw(0, 150),
                    .seed = draw(0, 1000),
                    .shuffle = *rc::gen::arbitrary<bool>(),
                    .tail = draw_tail(),
                    .epochs = draw(1, 5)};
  draw_sizes(config);
  return config;
}

// The same plan as each rank sees it.
inline std::vector<Plan> plans_of(PlanConfig config) {
  std::vector<Plan> plans;
  for (config.rank = 0; config.rank < config.world_size; ++config.rank) {
    plans.emplace_back(config);
  }
  return plans;
}

inline void append_spots(const Plan& plan, std::uint64_t b, std::vector<Spot>& spots) {
  const PlannedBatch batch = plan.batch(b);
  for (std::uint64_t row = 0; row < batch.valid; ++row) {
    spots.emplace_back(batch.epoch, plan.place(batch, row));
  }
}

// All spots from batch `begin` on, in the order of steps, ranks and rows.
inline std::vector<Spot> spots_of(const PlanConfig& config, std::uint64_t begin = 0) {
  const std::vector<Plan> plans = plans_of(config);
  std::vector<Spot> spots;
  for (std::uint64_t b = begin; b < plans.front().batch_count(); ++b) {
    for (const Plan& plan : plans) {
      append_spots(plan, b, spots);
    }
  }
  return spots;
}

// What `config` should hand out, found without Plan: place by place.
inline std::vector<Spot> expected_spots(const PlanConfig& config) {
  const LoaderState& start = config.start;
  std::vector<Spot> spots;
  for (std::uint64_t epoch = start.epoch; epoch < config.epochs; ++epoch) {
    const std::size_t before = spots.size();
    for (std::uint64_t place = epoch == start.epoch ? start.place : 0; place < config.samples;
         ++place) {
      const bool is_early = std::ranges::any_of(start.early, [&](const auto& range) {
        return range.epoch == epoch && range.begin <= place && place < range.end;
      });
      if (!is_early) {
        spots.emplace_back(epoch, place);
      }
    }
    if (config.tail == Tail::drop) {
      const std::size_t step = config.world_size * config.batch_size;
      spots.resize(before + (spots.size() - before) / step * step);
    }
  }
  return spots;
}

}  // namespace headrace::loader::testing
