// SPDX-License-Identifier: Apache-2.0
// `headrace bench`: that it measures what it says, not how fast anything is.
#include "cli/bench/measurement.h"
#include "cli/bench/rounds.h"
#include "stream_report.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

using test::Arguments;
using test::Finished;
using test::Json;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(BenchRounds, MedianIsTheMiddle) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({8, 1, 2, 4}), 3);
}

// Works whose time is made up: the first takes 2 ms a call, and 50 in one round; the second 8 ms.
TEST(BenchRounds, WorksTakeTurnsAndOutliersDoNotCount) {
  std::vector<std::pair<char, std::uint64_t>> calls;
  const auto work = [&calls](char name, double seconds) {
    return [&calls, name, seconds](std::uint64_t count) {
      calls.emplace_back(name, count);
      const bool is_outlier = name == 'a' && calls.size() % 5 == 0;
      return static_cast<double>(count) * (is_outlier ? 25 * seconds : seconds);
    };
  };
  const std::vector<double> times =
      seconds_a_call({.rounds = 3, .seconds = 0.016}, {work('a', 0.002), work('b', 0.008)});
  EXPECT_THAT(times, ElementsAre(DoubleEq(0.002), DoubleEq(0.008)));
  ASSERT_GE(calls.size(), 6);
  const std::vector rounds(calls.end() - 6, calls.end());
  EXPECT_THAT(rounds,
              ElementsAre(std::pair('a', 8),
                          std::pair('b', 2),
                          std::pair('a', 8),
                          std::pair('b', 2),
                          std::pair('a', 8),
                          std::pair('b', 2)));
}

TEST(BenchRounds, EveryThreadRunsTheWork) {
  std::atomic<int> runs = 0;
  const double seconds = time_of_threads(3, [&] { ++runs; });
  EXPECT_EQ(runs, 3);
  EXPECT_GE(seconds, 0);
}

TEST(BenchMeasurement, RatioIsHowManyTimesAsFast) {
  EXPECT_EQ((Measurement{"", "", Unit::seconds, 2, "peer", 6}).ratio(), 3);
  EXPECT_EQ((Measurement{"", "", Unit::bytes_per_second, 2, "peer", 6}).ratio(), 2.0 / 6);
  EXPECT_EQ((Measurement{"", "", Unit::samples_per_second, 6, "peer", 2}).ratio(), 3);
  EXPECT_EQ((Measurement{"", "", Unit::seconds, 2, "", 0}).ratio(), 0);
}

TEST(BenchMeasurement, TextHasItsUnit) {
  EXPECT_THAT(to_text({"", "name", Unit::seconds, 9.9e-9, "peer", 1.98e-8}),
              testing::AllOf(HasSubstr("9.90 ns"), HasSubstr("19.8 ns"), HasSubstr("2.00 x")));
  EXPECT_THAT(to_text({"", "name", Unit::bytes_per_second, 5.5e10, "", 0}), HasSubstr("55.0 GB/s"));
  EXPECT_THAT(to_text({"", "name", Unit::samples_per_second, 3e6, "", 0}), HasSubstr("3.00 M/s"));
}

Json quick_bench(Arguments groups) {
  groups.insert(groups.begin(), "bench");
  groups.insert(groups.end(),
                {"--rounds", "1", "--seconds", "0.001", "--threads", "2", "--device", "host"});
  groups.insert(groups.end(), {"--json", "-"});
  const Finished run = test::run_program(groups);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return Json::parse(run.out, nullptr, false);
}

std::vector<std::string> groups_of(const Json& report) {
  std::vector<std::string> groups;
  for (const Json& measurement : report["measurements"]) {
    const std::string group = measurement["group"];
    if (groups.empty() || groups.back() != group) {
      groups.push_back(group);
    }
  }
  return groups;
}

TEST(Bench, MeasuresEveryGroup) {
  const Json report = quick_bench({});
  ASSERT_TRUE(report.is_object());
  EXPECT_EQ(report["device"], "host");
  EXPECT_EQ(report["threads"], 2);
  EXPECT_EQ(report["rounds"], 1);
  EXPECT_EQ(report["seconds_a_round"], 0.001);
  EXPECT_THAT(groups_of(report), ElementsAre("memory", "transfer", "convert", "loader"));
  std::set<std::string> names;
  for (const Json& measurement : report["measurements"]) {
    const std::string name = measurement["name"];
    const double value = measurement["value"];
    names.insert(measurement["group"].get<std::string>() + name);
    EXPECT_GT(value, 0) << name;
    if (!measurement["peer"].is_null()) {
      const double peer = measurement["peer_value"];
      EXPECT_GT(peer, 0) << name;
      EXPECT_DOUBLE_EQ(measurement["ratio"],
                       measurement["unit"] == "seconds" ? peer / value : value / peer)
          << name;
    }
  }
  EXPECT_EQ(names.size(), report["measurements"].size()) << "two of one name";
}

TEST(Bench, MeasuresWhatIsNamedInThatOrderAndOnce) {
  EXPECT_THAT(groups_of(quick_bench({"transfer", "memory", "transfer"})),
              ElementsAre("transfer", "memory"));
}

TEST(Bench, TextShowsWhatStandsBeside) {
  const Finished run =
      test::run_program({"bench", "memory", "--rounds", "1", "--seconds", "0.001"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  for (const char* text : {"device", "host", "memory", "4 KiB, 1 thread", "malloc", " x "}) {
    EXPECT_THAT(run.out, HasSubstr(text));
  }
  EXPECT_EQ(run.err, "");
}

TEST(Bench, ADeviceThatIsNotThereIsRefused) {
  const Finished run = test::run_program({"bench", "memory", "--device", "host:7"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_TRUE(test::is_one_line(run.err)) << run.err;
  EXPECT_THAT(run.err, HasSubstr("host:7"));
}

}  // namespace
}  // namespace headrace::cli
