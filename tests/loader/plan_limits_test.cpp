// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "loader/plan.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace headrace::loader {
namespace {

TEST(Plan, HugeDataSetsCostNothing) {
  const std::uint64_t samples = 1'000'000'000'000;
  const PlanConfig config{.samples = samples,
                          .batch_size = 300,
                          .rank = 999,
                          .world_size = 1000,
                          .shuffle = true,
                          .epochs = 1'000'000};
  const Plan plan(config);
  const std::uint64_t steps = samples / 300'000 + 1;
  EXPECT_EQ(plan.batch_count(), steps * 1'000'000);
  const PlannedBatch last = plan.batch(plan.batch_count() - 1);
  EXPECT_EQ(last.epoch, 999'999U);
  EXPECT_EQ(last.step, steps - 1);
  EXPECT_EQ(last.valid, 100U);
  EXPECT_EQ(plan.place(last, last.valid - 1), samples - 1);
  EXPECT_LT(plan.sample(last, 0), samples);
}

TEST(Plan, LimitsAreWithinReach) {
  const std::uint64_t top = std::uint64_t{1} << 63;
  const Plan one({.samples = top, .batch_size = top, .shuffle = true, .tail = Tail::drop});
  EXPECT_EQ(one.batch_count(), 1U);
  EXPECT_EQ(one.place(one.batch(0), top - 1), top - 1);
  const Plan many({.samples = top - 1, .batch_size = 1, .rank = 0, .world_size = 1});
  EXPECT_EQ(many.place(many.batch(top - 2), 0), top - 2);
  const Plan wide(
      {.samples = top, .batch_size = 2, .rank = (top >> 2) - 1, .world_size = top >> 2});
  EXPECT_EQ(wide.place(wide.batch(1), 1), top - 1);
  EXPECT_EQ(wide.state_after(1).epoch, 1U);
}

TEST(Plan, EndlessPlanNeverStops) {
  const Plan plan({.samples = 10, .batch_size = 4, .epochs = 0});
  EXPECT_EQ(plan.batch_count(), Plan::kEndless);
  const PlannedBatch batch = plan.batch(3'000'000'000'001);
  EXPECT_EQ(batch.epoch, 1'000'000'000'000U);
  EXPECT_EQ(batch.step, 1U);
  EXPECT_EQ(batch.valid, 4U);
  const LoaderState start{.early = {{1, 0, 5}}};
  const Plan resumed({.samples = 10, .batch_size = 8, .epochs = 0, .start = start});
  EXPECT_EQ(resumed.batch(2).valid, 5U);
  EXPECT_EQ(resumed.batch(3).epoch, 2U);
}

std::string refusal_of(const PlanConfig& config) {
  try {
    const Plan plan(config);
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
}

TEST(Plan, RefusesWhatHasNoPlan) {
  const std::uint64_t top = std::uint64_t{1} << 63;
  const std::vector<std::pair<PlanConfig, std::string>> cases = {
      {{.samples = 5, .batch_size = 0}, "batch_size 0"},
      {{.samples = 5, .world_size = 0}, "world_size 0"},
      {{.samples = 5, .rank = 3, .world_size = 3}, "rank 3 is not below world_size 3"},
      {{.samples = top + 1}, "samples 9223372036854775809 exceeds the limit"},
      {{.samples = 5, .batch_size = top, .world_size = 2}, "times batch_size 9223372036854775808"},
      {{.samples = 5, .batch_size = UINT64_MAX, .world_size = UINT64_MAX}, "exceeds the limit"},
      {{.samples = 5, .epochs = top}, "epochs 9223372036854775808 exceeds the limit"},
      {{.samples = 5, .epochs = top / 4}, "2305843009213693951 epochs of 5 batches"},
      {{.samples = 4, .epochs = top / 2 + 1}, "4611686018427387904 epochs of 4 batches"},
      {{.samples = top}, "exceed the limit of 9223372036854775807 batches"},
      {{.samples = 5, .start = {.epoch = top}}, "start.epoch 9223372036854775808"},
      {{.samples = 5, .start = {.batch_id = top}}, "start.batch_id 9223372036854775808"},
      {{.samples = 5, .start = {.place = 6}}, "Place 6 lies beyond an epoch of 5 samples"},
      {{.samples = 5, .start = {.place = 2, .early = {{0, 1, 3}}}}, "before place 2 of epoch 0"},
      {{.samples = 5, .start = {.early = {{0, 3, 6}}}}, "[3, 6) of epoch 0 lies beyond"},
      {{.samples = 0, .epochs = 0}, "0 samples make none of 1 x 1"},
      {{.samples = 5, .batch_size = 3, .world_size = 2, .tail = Tail::drop, .epochs = 0},
       "5 samples make none of 2 x 3"}};
  for (const auto& [config, text] : cases) {
    EXPECT_NE(refusal_of(config).find(text), std::string::npos) << refusal_of(config);
  }
}

TEST(Plan, RefusesBatchesThatDoNotExist) {
  const Plan plan({.samples = 10, .batch_size = 4});
  EXPECT_NO_THROW((void)plan.batch(2));
  EXPECT_NO_THROW((void)plan.state_unordered(3, {}));
  EXPECT_THROW((void)plan.batch(3), Error);
  EXPECT_THROW((void)plan.state_after(3), Error);
  EXPECT_THROW((void)plan.state_unordered(4, {}), Error);
  EXPECT_THROW((void)plan.state_unordered(0, std::vector<std::uint64_t>{3}), Error);
  const Plan endless({.samples = 10, .batch_size = 4, .epochs = 0});
  EXPECT_THROW((void)endless.batch(std::uint64_t{1} << 63), Error);
}

}  // namespace
}  // namespace headrace::loader
