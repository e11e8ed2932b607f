// SPDX-License-Identifier: Apache-2.0
// What a trace file holds.
#include "headrace/trace.h"

#include "headrace/error.h"

#include "stream_report.h"

#include <cstdint>
#include <vector>

namespace headrace::test {
namespace {

Json written(const Trace& trace) {
  const TempDir folder;
  trace.write(folder / "trace.json");
  return Json::parse(content_of(folder / "trace.json"));
}

std::vector<std::uint64_t> batches_of(const Json& json) {
  std::vector<std::uint64_t> batches;
  for (const Json& event : json["traceEvents"]) {
    if (event["ph"] == "X") {
      batches.push_back(event["args"]["batch"]);
    }
  }
  return batches;
}

TEST(TraceFile, KeepsTheNewestInOrderAndCountsTheRest) {
  Trace trace(3);
  const std::uint32_t track = trace.track("worker");
  const Trace::Clock::time_point now = Trace::Clock::now();
  for (std::uint64_t batch = 0; batch < 8; ++batch) {
    const std::uint64_t before = batch < 3 ? 0 : batch - 3;
    EXPECT_EQ(trace.dropped(), before);
    trace.record(track, "read", now, now, batch);
  }
  EXPECT_EQ(trace.size(), 3);
  EXPECT_EQ(trace.dropped(), 5);
  const Json json = written(trace);
  EXPECT_EQ(batches_of(json), (std::vector<std::uint64_t>{5, 6, 7}));
  EXPECT_EQ(json["otherData"]["dropped_events"], 5);
}

TEST(TraceFile, IsWholeBelowTheLimit) {
  Trace trace;
  EXPECT_TRUE(batches_of(written(trace)).empty());
  const std::uint32_t track = trace.track("worker");
  const Trace::Clock::time_point now = Trace::Clock::now();
  for (std::uint64_t batch = 0; batch < 5; ++batch) {
    trace.record(track, "read", now, now, batch);
  }
  EXPECT_EQ(batches_of(written(trace)).size(), 5);
  EXPECT_EQ(written(trace)["otherData"]["dropped_events"], 0);
  EXPECT_THROW(Trace(0), Error);
}

}  // namespace
}  // namespace headrace::test
