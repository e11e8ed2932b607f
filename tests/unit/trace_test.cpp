// SPDX-License-Identifier: Apache-2.0
#include "headrace/trace.h"

#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace headrace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string written(const Trace& trace) {
  const TempDir folder;
  trace.write(folder / "trace.json");
  std::ifstream file(folder / "trace.json");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(TraceTest, NamesAreEscaped) {
  Trace trace;
  const Trace::Clock::time_point now = Trace::Clock::now();
  trace.record(trace.track("a \"quoted\" \\ track"), "line\nbreak", now, now, 1);
  const std::string text = written(trace);
  EXPECT_THAT(text, HasSubstr(R"("name":"a \"quoted\" \\ track")"));
  EXPECT_THAT(text, HasSubstr(R"("name":"line\u000abreak")"));
}

TEST(TraceTest, NamesNeedNotOutliveTheCall) {
  Trace trace;
  const Trace::Clock::time_point now = Trace::Clock::now();
  for (int i = 0; i < 100; ++i) {
    trace.record(trace.track("one"), std::string("stage ") + std::to_string(i), now, now);
  }
  const std::string text = written(trace);
  EXPECT_THAT(text, HasSubstr("\"stage 0\""));
  EXPECT_THAT(text, HasSubstr("\"stage 99\""));
  EXPECT_THAT(text, Not(HasSubstr("\"batch\"")));
  EXPECT_EQ(trace.size(), 100U);
}

}  // namespace
}  // namespace headrace::test
