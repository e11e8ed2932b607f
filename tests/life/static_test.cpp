// SPDX-License-Identifier: Apache-2.0
#include "life/paths.h"
#include "support/child_process.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

// Objects in static storage are destroyed after main, in any order, by threads that are ending.

namespace headrace::test {
namespace {

const std::string kLetters = "dsmpbtcCgGlBkz";  // of tests/life/program/static_order.cpp

/// A hang is a failure: `timeout` ends it with code 124.
std::string fault_of_order(const std::string& order, const std::string& ending) {
  return fault_of_program("timeout -s KILL 60 " HEADRACE_STATIC_ORDER " " + order + " " + ending);
}

class StaticTest : public ::testing::TestWithParam<std::string> {};

TEST_P(StaticTest, ObjectsMayBeMadeInAnyOrder) {
  std::string order = kLetters;
  EXPECT_EQ(fault_of_order(order, GetParam()), "") << order;
  std::ranges::reverse(order);
  EXPECT_EQ(fault_of_order(order, GetParam()), "") << order;
  std::mt19937 random(7);
  for (int i = 0; i < 12; ++i) {
    std::shuffle(order.begin(), order.end(), random);
    EXPECT_EQ(fault_of_order(order, GetParam()), "") << order;
  }
}

INSTANTIATE_TEST_SUITE_P(Endings,
                         StaticTest,
                         ::testing::Values("main", "exit", "threads"),
                         [](const auto& param_info) { return param_info.param; });

TEST(StaticProgramTest, AFaultIsSeen) {
  EXPECT_NE(fault_of_order("d", "main"), "") << "An order that lacks objects is refused.";
  EXPECT_NE(fault_of_program("echo a report"), "");
}

}  // namespace
}  // namespace headrace::test
