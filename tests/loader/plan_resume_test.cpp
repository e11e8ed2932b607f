// SPDX-License-Identifier: Apache-2.0
#include "headrace/loader_state.h"

#include "loader/plan.h"
#include "loader/plan_walk.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <vector>

namespace headrace::loader {
namespace {

using testing::append_spots;
using testing::draw;
using testing::draw_config;
using testing::draw_sizes;
using testing::expected_spots;
using testing::plans_of;
using testing::Spot;
using testing::spots_of;

using Early = LoaderState::Early;

TEST(PlanState, CountsPlacesOfAllRanks) {
  const Plan plan({.samples = 20,
                   .batch_size = 3,
                   .rank = 1,
                   .world_size = 2,
                   .seed = 9,
                   .shuffle = true,
                   .epochs = 2});
  const LoaderState state = plan.state_after(1);
  EXPECT_EQ(
      state,
      (LoaderState{
          .dataset_size = 20, .seed = 9, .shuffle = true, .epoch = 0, .place = 12, .batch_id = 2}));
  EXPECT_EQ(plan.state_after(2).place, 18U);
}

TEST(PlanState, BeginsTheNextEpochWhenOneEnds) {
  for (const Tail tail : {Tail::short_batch, Tail::drop, Tail::pad_repeat, Tail::pad_zero}) {
    const Plan plan({.samples = 10, .batch_size = 4, .tail = tail, .epochs = 2});
    const std::uint64_t steps = tail == Tail::drop ? 2 : 3;
    EXPECT_EQ(plan.state_after(steps - 1),
              (LoaderState{.dataset_size = 10, .epoch = 1, .place = 0, .batch_id = steps}));
    EXPECT_EQ(plan.state_after(2 * steps - 1),
              (LoaderState{.dataset_size = 10, .epoch = 2, .place = 0, .batch_id = 2 * steps}));
  }
}

TEST(PlanState, BeforeTheFirstBatchIsTheStart) {
  const LoaderState start{.dataset_size = 10,
                          .seed = 3,
                          .epoch = 1,
                          .place = 5,
                          .batch_id = 8,
                          .early = {{1, 6, 7}, {4, 0, 10}}};
  const Plan plan({.samples = 10,
                   .batch_size = 100,
                   .seed = 3,
                   .tail = Tail::drop,
                   .epochs = 3,
                   .start = start});
  EXPECT_EQ(plan.batch_count(), 0U);
  EXPECT_EQ(plan.state_unordered(0, {}), start);
}

TEST(PlanState, NamesTheRanksOwnEarlyPlaces) {
  const PlanConfig config{.samples = 20, .batch_size = 3, .rank = 1, .world_size = 2, .epochs = 2};
  const Plan plan(config);
  const std::vector<std::uint64_t> later = {6, 3, 2, 0};
  // Batch 3 is place 19; batch 2 is 15 to 17; batch 6 is 15 to 17 of epoch 1.
  EXPECT_EQ(plan.state_unordered(1, later),
            (LoaderState{.dataset_size = 20,
                         .epoch = 0,
                         .place = 6,
                         .batch_id = 7,
                         .early = {{0, 15, 18}, {0, 19, 20}, {1, 15, 18}}}));
  EXPECT_EQ(plan.state_unordered(4, later).early, (std::vector<Early>{{1, 15, 18}}));
  EXPECT_EQ(plan.state_unordered(8, {}).epoch, 2U);
}

TEST(PlanState, PassedEarlyPlacesAreForgottenAndOthersKept) {
  const PlanConfig config{
      .samples = 20,
      .batch_size = 3,
      .epochs = 2,
      .start = {.place = 2, .batch_id = 4, .early = {{0, 4, 6}, {0, 9, 12}, {1, 0, 2}}}};
  const Plan plan(config);  // Places 2 3 6 | 7 8 12 | 13 14 15 | ...
  EXPECT_EQ(plan.state_after(0),
            (LoaderState{.dataset_size = 20,
                         .epoch = 0,
                         .place = 7,
                         .batch_id = 5,
                         .early = {{0, 9, 12}, {1, 0, 2}}}));
  // An early batch that spans a gap closes it.
  EXPECT_EQ(plan.state_unordered(0, std::vector<std::uint64_t>{1}).early,
            (std::vector<Early>{{0, 4, 6}, {0, 7, 13}, {1, 0, 2}}));
  EXPECT_EQ(plan.state_after(4).epoch, 1U);
  EXPECT_EQ(plan.state_after(4).place, 2U);
}

RC_GTEST_PROP(PlanResume, AtEveryPointWithOtherSizesGivesTheSameSequence, ()) {
  PlanConfig config = draw_config();
  config.start.batch_id = draw(0, 10);
  const Plan plan(config);
  for (std::uint64_t b = 0; b < plan.batch_count(); ++b) {
    PlanConfig resumed = config;
    draw_sizes(resumed);
    resumed.start = LoaderState::from_json(plan.state_after(b).to_json());
    RC_ASSERT(resumed.start.batch_id == config.start.batch_id + b + 1);
    RC_ASSERT(spots_of(resumed) == expected_spots(resumed));
    if (!spots_of(resumed).empty()) {
      RC_ASSERT(Plan(resumed).batch(0).id == resumed.start.batch_id);
    }
    if (config.tail != Tail::drop) {
      RC_ASSERT(spots_of(resumed) == spots_of(config, b + 1));
    }
    resumed.world_size = config.world_size;
    resumed.batch_size = config.batch_size;
    RC_ASSERT(spots_of(resumed) == spots_of(config, b + 1));
  }
}

// Early ranges anywhere, as another library or run may have left them.
RC_GTEST_PROP(PlanResume, CoversExactlyWhatTheStateLeaves, ()) {
  PlanConfig config = draw_config();
  config.samples = draw(20, 100);
  config.start.epoch = draw(0, 3);
  config.start.place = draw(0, config.samples + 1);
  std::uint64_t epoch = config.start.epoch;
  std::uint64_t end = config.start.place;
  for (std::uint64_t count = draw(0, 12); count > 0; --count) {
    if (draw(0, 4) == 0 || end == config.samples) {
      ++epoch;
      end = 0;
    }
    const std::uint64_t begin = draw(end, config.samples);
    end = draw(begin + 1, config.samples + 1);
    config.start.early.push_back({epoch, begin, end});
  }
  RC_ASSERT(spots_of(config) == expected_spots(config));
  for (const Plan& plan : plans_of(config)) {
    RC_ASSERT(plan.batch_count() == Plan(config).batch_count());
  }
}

// What one rank has handed out when a run breaks off.
struct Progress {
  LoaderState state;
  std::vector<Spot> in_order;
  std::vector<Spot> early;
};

Progress draw_progress(const Plan& plan) {
  Progress progress;
  const std::uint64_t next = draw(0, plan.batch_count() + 1);
  for (std::uint64_t b = 0; b < next; ++b) {
    append_spots(plan, b, progress.in_order);
  }
  std::vector<std::uint64_t> later;
  for (std::uint64_t b = next + 1; b < plan.batch_count(); ++b) {
    if (draw(0, 3) == 0) {
      later.push_back(b);
      append_spots(plan, b, progress.early);
    }
  }
  std::ranges::reverse(later);
  progress.state = plan.state_unordered(next, later);
  return progress;
}

// A run with `ordered=false` breaks off again and again, each time at another point of each rank.
RC_GTEST_PROP(PlanResume, UnorderedRunMissesNothingAndRepeatsNothingItNamed, ()) {
  PlanConfig config = draw_config();
  config.tail = *rc::gen::element(Tail::short_batch, Tail::pad_repeat, Tail::pad_zero);
  const std::vector<Spot> all = expected_spots(config);
  std::set<Spot> handed_out;
  std::set<Spot> named;
  for (int repeat = 0; repeat < 4; ++repeat) {
    std::vector<LoaderState> states;
    for (const Plan& plan : plans_of(config)) {
      const Progress progress = draw_progress(plan);
      states.push_back(LoaderState::from_json(progress.state.to_json()));
      for (const Spot& spot : progress.early) {
        RC_ASSERT(named.insert(spot).second);
      }
      for (const Spot& spot : progress.in_order) {
        RC_ASSERT(!named.contains(spot));
      }
      handed_out.insert(progress.in_order.begin(), progress.in_order.end());
      handed_out.insert(progress.early.begin(), progress.early.end());
    }
    config.start = LoaderState::merge(states);
    draw_sizes(config);
    const std::vector<Spot> rest = spots_of(config);
    std::set<Spot> covered = handed_out;
    covered.insert(rest.begin(), rest.end());
    RC_ASSERT(std::vector<Spot>(covered.begin(), covered.end()) == all);
    RC_ASSERT(std::set(rest.begin(), rest.end()).size() == rest.size());
  }
  for (const Spot& spot : spots_of(config)) {
    RC_ASSERT(!named.contains(spot));
  }
}

// With one rank, or when all break off at the same batch, nothing at all is repeated.
RC_GTEST_PROP(PlanResume, OneRankHandsOutEveryPlaceExactlyOnce, ()) {
  PlanConfig config = draw_config();
  config.tail = Tail::short_batch;
  config.world_size = 1;
  std::map<Spot, int> times;
  const auto count = [&times](const std::vector<Spot>& spots) {
    for (const Spot& spot : spots) {
      ++times[spot];
    }
  };
  const std::vector<Spot> all = expected_spots(config);
  for (int repeat = 0; repeat < 4; ++repeat) {
    const Progress progress = draw_progress(Plan(config));
    count(progress.in_order);
    count(progress.early);
    config.start = progress.state;
    config.batch_size = draw(1, 12);
  }
  count(spots_of(config));
  RC_ASSERT(times.size() == all.size());
  RC_ASSERT(std::ranges::all_of(times, [](const auto& entry) { return entry.second == 1; }));
}

TEST(PlanResume, BatchesOfAnyStartAreFoundAtOnce) {
  LoaderState start{.epoch = 1'000'000'000, .place = 12'345, .batch_id = 7};
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    start.early.push_back({start.epoch + i / 1000, 20'000 + i % 1000 * 10, 20'003 + i % 1000 * 10});
  }
  const Plan plan({.samples = 1'000'000'000'000, .batch_size = 64, .epochs = 0, .start = start});
  const PlannedBatch first = plan.batch(200);  // Beyond 736 early ranges of 3 places.
  EXPECT_EQ(plan.place(first, 0), 12'345U + 200 * 64 + 736 * 3);
  const PlannedBatch far = plan.batch(1'000'000'000'000'000);
  EXPECT_EQ(far.epoch, 1'000'000'000U + 64'000);
  EXPECT_EQ(plan.state_after(1'000'000'000'000'000).batch_id, 1'000'000'000'000'008U);
}

}  // namespace
}  // namespace headrace::loader
