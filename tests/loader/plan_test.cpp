// SPDX-License-Identifier: Apache-2.0
#include "loader/plan.h"

#include "headrace/error.h"

#include "loader/plan_walk.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

namespace headrace::loader {
namespace {

using testing::draw_config;
using testing::draw_sizes;
using testing::plans_of;
using testing::spots_of;

std::vector<std::uint64_t> samples_of(const Plan& plan, std::uint64_t b) {
  const PlannedBatch batch = plan.batch(b);
  std::vector<std::uint64_t> samples;
  samples.reserve(batch.read_rows);
  for (std::uint64_t row = 0; row < batch.read_rows; ++row) {
    samples.push_back(plan.sample(batch, row));
  }
  return samples;
}

using Rows = std::vector<std::uint64_t>;

// Batches b of all ranks, and their rows.
void expect_step(const PlanConfig& config,
                 std::uint64_t b,
                 const std::vector<Rows>& samples,
                 const Rows& valid,
                 const Rows& rows) {
  const std::vector<Plan> plans = plans_of(config);
  for (std::size_t rank = 0; rank < plans.size(); ++rank) {
    EXPECT_EQ(samples_of(plans[rank], b), samples[rank]) << "rank " << rank;
    EXPECT_EQ(plans[rank].batch(b).valid, valid[rank]) << "rank " << rank;
    EXPECT_EQ(plans[rank].batch(b).rows, rows[rank]) << "rank " << rank;
  }
}

TEST(Plan, RankTakesItsBlockOfAStep) {
  expect_step({.samples = 20, .batch_size = 3, .world_size = 3, .tail = Tail::pad_repeat},
              1,
              {{9, 10, 11}, {12, 13, 14}, {15, 16, 17}},
              {3, 3, 3},
              {3, 3, 3});
}

TEST(Plan, LastStepIsDividedEvenly) {
  expect_step({.samples = 17, .batch_size = 4, .world_size = 3},
              1,
              {{12, 13}, {14, 15}, {16}},
              {2, 2, 1},
              {2, 2, 1});
  expect_step(
      {.samples = 14, .batch_size = 4, .world_size = 3}, 1, {{12}, {13}, {}}, {1, 1, 0}, {1, 1, 0});
}

TEST(Plan, DroppedStepDoesNotExist) {
  PlanConfig config{.samples = 17, .batch_size = 4, .world_size = 3, .tail = Tail::drop};
  EXPECT_EQ(Plan(config).batch_count(), 1U);
  config.samples = 11;
  EXPECT_EQ(Plan(config).batch_count(), 0U);
  config.samples = 24;
  EXPECT_EQ(Plan(config).batch_count(), 2U);
}

TEST(Plan, PadRepeatRepeatsTheRanksRowsOrElseTheSteps) {
  expect_step({.samples = 17, .batch_size = 5, .world_size = 3, .tail = Tail::pad_repeat},
              1,
              {{15, 15, 15, 15, 15}, {16, 16, 16, 16, 16}, {15, 16, 15, 16, 15}},
              {1, 1, 0},
              {5, 5, 5});
  expect_step({.samples = 7, .batch_size = 5, .world_size = 2, .tail = Tail::pad_repeat},
              0,
              {{0, 1, 2, 3, 0}, {4, 5, 6, 4, 5}},
              {4, 3},
              {5, 5});
}

TEST(Plan, PadZeroHasNoSampleInItsPadding) {
  expect_step({.samples = 17, .batch_size = 5, .world_size = 3, .tail = Tail::pad_zero},
              1,
              {{15}, {16}, {}},
              {1, 1, 0},
              {5, 5, 5});
}

TEST(Plan, NoSamplesMakeNoBatches) {
  for (const Tail tail : {Tail::short_batch, Tail::drop, Tail::pad_repeat, Tail::pad_zero}) {
    const Plan plan({.samples = 0, .batch_size = 4, .tail = tail, .epochs = 7});
    EXPECT_EQ(plan.batch_count(), 0U);
    EXPECT_THROW((void)plan.batch(0), Error);
    EXPECT_THROW((void)plan.state_after(0), Error);
    EXPECT_EQ(plan.state_unordered(0, {}).epoch, 0U);
  }
}

// Derived once, apart from this code; runs and saved states depend on it.
TEST(Plan, OrderOfASeedStaysForEver) {
  const Plan plan({.samples = 10, .batch_size = 10, .seed = 42, .shuffle = true, .epochs = 2});
  EXPECT_EQ(samples_of(plan, 0), (Rows{2, 4, 8, 9, 3, 7, 1, 5, 6, 0}));
  EXPECT_EQ(samples_of(plan, 1), (Rows{0, 8, 7, 3, 5, 9, 1, 4, 6, 2}));
  EXPECT_EQ(plan.random_key(7, 1'000'000'000'000), 0x2da786a63835927e);
}

RC_GTEST_PROP(Plan, EachEpochHasEverySampleOnceOverAllRanks, ()) {
  const PlanConfig config = draw_config();
  const std::vector<Plan> plans = plans_of(config);
  const std::uint64_t step = config.world_size * config.batch_size;
  const bool is_drop = config.tail == Tail::drop;
  std::vector<std::multiset<std::uint64_t>> samples(config.epochs);
  for (const Plan& plan : plans) {
    RC_ASSERT(plan.batch_count() == plans.front().batch_count());
    for (std::uint64_t b = 0; b < plan.batch_count(); ++b) {
      const PlannedBatch batch = plan.batch(b);
      for (std::uint64_t row = 0; row < batch.valid; ++row) {
        samples.at(batch.epoch).insert(plan.sample(batch, row));
      }
    }
  }
  for (const std::multiset<std::uint64_t>& epoch : samples) {
    RC_ASSERT(epoch.size() == (is_drop ? config.samples / step * step : config.samples));
    RC_ASSERT(std::set(epoch.begin(), epoch.end()).size() == epoch.size());
    RC_ASSERT((epoch.empty() || *epoch.rbegin() < config.samples));
  }
}

RC_GTEST_PROP(Plan, RanksAgreeOnBatchesAndDifferByOneRowAtMost, ()) {
  const PlanConfig config = draw_config();
  const std::vector<Plan> plans = plans_of(config);
  for (std::uint64_t b = 0; b < plans.front().batch_count(); ++b) {
    const PlannedBatch first = plans.front().batch(b);
    RC_ASSERT(first.valid > 0U);
    RC_ASSERT(first.id == b);
    for (const Plan& plan : plans) {
      const PlannedBatch batch = plan.batch(b);
      RC_ASSERT(batch.id == first.id);
      RC_ASSERT(batch.epoch == first.epoch);
      RC_ASSERT(batch.step == first.step);
      RC_ASSERT((batch.valid == first.valid || batch.valid + 1 == first.valid));
      RC_ASSERT(batch.valid <= config.batch_size);
      RC_ASSERT(batch.rows == (config.tail == Tail::short_batch ? batch.valid : config.batch_size));
      RC_ASSERT(batch.read_rows == (config.tail == Tail::pad_repeat ? batch.rows : batch.valid));
    }
  }
}

RC_GTEST_PROP(Plan, PlacesComeInOrderWhateverTheSizes, ()) {
  PlanConfig config = draw_config();
  for (int repeat = 0; repeat < 3; ++repeat) {
    RC_ASSERT(spots_of(config) == testing::expected_spots(config));
    draw_sizes(config);
  }
}

RC_GTEST_PROP(Plan, PaddingRepeatsSamplesOfTheSameStep, ()) {
  PlanConfig config = draw_config();
  config.tail = Tail::pad_repeat;
  for (const Plan& plan : plans_of(config)) {
    for (std::uint64_t b = 0; b < plan.batch_count(); ++b) {
      const PlannedBatch batch = plan.batch(b);
      for (std::uint64_t row = batch.valid; row < batch.read_rows; ++row) {
        const std::uint64_t place = plan.place(batch, row);
        RC_ASSERT(place >= batch.step_first);
        RC_ASSERT(place < batch.step_first + batch.step_valid);
        if (batch.valid > 0) {
          RC_ASSERT(plan.sample(batch, row) == plan.sample(batch, row % batch.valid));
        }
      }
    }
  }
}

RC_GTEST_PROP(Plan, SamplesAreTheEpochsOrderOfThePlaces, ()) {
  PlanConfig config = draw_config();
  config.shuffle = true;
  const Plan plan(config);
  for (std::uint64_t b = 0; b < plan.batch_count(); ++b) {
    const PlannedBatch batch = plan.batch(b);
    const Permutation order = plan.epoch_order(batch.epoch);
    RC_ASSERT(order == Permutation(config.samples, mix(config.seed, batch.epoch)));
    for (std::uint64_t row = 0; row < batch.read_rows; ++row) {
      RC_ASSERT(plan.sample(batch, row) == order(plan.place(batch, row)));
    }
  }
}

TEST(Plan, EveryEpochAndSeedHasItsOwnOrder) {
  std::set<Rows> orders;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Plan plan({.samples = 50, .batch_size = 50, .seed = seed, .shuffle = true, .epochs = 4});
    for (std::uint64_t b = 0; b < plan.batch_count(); ++b) {
      orders.insert(samples_of(plan, b));
    }
  }
  EXPECT_EQ(orders.size(), 20U);
}

}  // namespace
}  // namespace headrace::loader
