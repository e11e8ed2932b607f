// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <gtest/gtest-spi.h>

#include <cstdlib>

// A machine that must have a device does not pass its tests by skipping them.

namespace headrace::test {
namespace {

TEST(FixtureTest, AMissingDeviceSkipsOrFailsAsTheEnvironmentSays) {
  const auto outcome_of = [](const char* required, const std::string& name) {
    ::setenv("HEADRACE_REQUIRE_BACKENDS", required, 1);
    testing::TestPartResultArray results;
    {
      const testing::ScopedFakeTestPartResultReporter reporter(&results);
      skip_or_fail(name);
    }
    return results.size() == 1 ? results.GetTestPartResult(0).type()
                               : testing::TestPartResult::kSuccess;
  };
  EXPECT_EQ(outcome_of("", "cuda"), testing::TestPartResult::kSkip);
  EXPECT_EQ(outcome_of("vulkan", "cuda"), testing::TestPartResult::kSkip);
  EXPECT_EQ(outcome_of("cudas,", "cuda"), testing::TestPartResult::kSkip);
  EXPECT_EQ(outcome_of("cuda", "cuda"), testing::TestPartResult::kFatalFailure);
  EXPECT_EQ(outcome_of("vulkan,cuda", "cuda"), testing::TestPartResult::kFatalFailure);
  ::unsetenv("HEADRACE_REQUIRE_BACKENDS");
}

}  // namespace
}  // namespace headrace::test
