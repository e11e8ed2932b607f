// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/allocation_trace.h"

#include "benchmarks/caching_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// What the replay of allocation logs rests on: its reader and its model of another's policy.

namespace replay {
namespace {

using testing::HasSubstr;

AllocationTrace read(const std::string& lines) {
  std::istringstream text("headrace allocation log 1\n" + lines);
  return read_trace(text, "a.log");
}

TEST(AllocationTraceTest, IsReadInOrder) {
  const AllocationTrace trace = read(
      "# a note\n"
      "take 5 0 0 100 gpu 9\n"
      "take 5 1 1 200 cpu 4\n"
      "fail 6 0 - 999 gpu 9\n"
      "return 7 1 0 100 gpu 9\n"
      "take 8 0 2 50 persistent_gpu 9\n");
  EXPECT_EQ(trace.name, "a");
  ASSERT_EQ(trace.operations.size(), 4U);
  EXPECT_EQ(trace.buffers, 3U);
  EXPECT_EQ(trace.streams, 2U);
  EXPECT_EQ(trace.failures, 1U);
  EXPECT_EQ(trace.peak_live_bytes, 300U);
  EXPECT_TRUE(trace.operations[1].is_take);
  EXPECT_EQ(trace.operations[1].kind, headrace::DeviceType::cpu);
  EXPECT_EQ(trace.operations[1].stream, 1U);
  EXPECT_FALSE(trace.operations[2].is_take);
  EXPECT_EQ(trace.operations[2].buffer, 0U);
}

TEST(AllocationTraceTest, FaultsAreToldWithTheirLine) {
  const std::vector<std::pair<std::string, std::string>> faults{
      {"take 0 0 0 100 gpu", "a.log:2: 6 fields"},
      {"take 0 0 0 100 gpu 1 1", "a.log:2: 8 fields"},
      {"steal 0 0 0 100 gpu 1", "a.log:2: there is no event 'steal'"},
      {"take x 0 0 100 gpu 1", "a.log:2: the time 'x'"},
      {"take 0 x 0 100 gpu 1", "a.log:2: the thread 'x'"},
      {"take 0 0 - 100 gpu 1", "a.log:2: the buffer '-'"},
      {"take 0 0 0 -1 gpu 1", "a.log:2: the size '-1'"},
      {"take 0 0 0 99999999999999999999 gpu 1", "a.log:2: the size"},
      {"take 0 0 0 100 tpu 1", "a.log:2: there is no kind of memory 'tpu'"},
      {"take 0 0 0 100 gpu one", "a.log:2: the stream 'one'"},
      {"take 0 0 1 100 gpu 1", "a.log:2: buffer 1 is taken where the next number is 0"},
      {"take 0 0 0 1 gpu 1\ntake 0 0 0 1 gpu 1", "a.log:3: buffer 0 is taken"},
      {"take 0 0 0 1 gpu 1\n\nreturn 0 0 0 2 gpu 1", "a.log:4: buffer 0 was taken with another"},
      {"take 0 0 0 1 gpu 1\nreturn 0 0 0 1 gpu 1\nreturn 0 0 0 1 gpu 1",
       "a.log:4: buffer 0 is ret"},
      {"return 0 0 7 1 gpu 1", "a.log:2: buffer 7 is returned"},
      {"take 5 0 0 1 gpu 1\ntake 4 0 1 1 gpu 1", "a.log:3: the time 4 is before"},
      {"take 0 0 0 4611686018427387904 gpu 1\ntake 0 0 1 1 gpu 1", "a.log:3: 1 bytes more"},
      {"", "a.log: no memory is taken"},
  };
  for (const auto& [lines, message] : faults) {
    try {
      read(lines);
      ADD_FAILURE() << "not refused: " << lines;
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
}

TEST(AllocationTraceTest, OtherFilesAreRefused) {
  for (const std::string first : {"", "headrace allocation log 2\n", "PNG"}) {
    std::istringstream text(first);
    EXPECT_THAT([&] { read_trace(text, "b.log"); },
                testing::ThrowsMessage<std::runtime_error>(HasSubstr("b.log:1: ")));
  }
}

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::size_t segment_for(std::size_t bytes) {
  CachingModel model;
  model.take(bytes, 0);
  return model.reserved();
}

TEST(CachingModelTest, AsksForSegmentsBySize) {
  EXPECT_EQ(segment_for(1), 2 * kMiB);
  EXPECT_EQ(segment_for(kMiB), 2 * kMiB);
  EXPECT_EQ(segment_for(kMiB + 1), 20 * kMiB);
  EXPECT_EQ(segment_for(10 * kMiB - 512), 20 * kMiB);
  EXPECT_EQ(segment_for(10 * kMiB), 10 * kMiB);
  EXPECT_EQ(segment_for(11 * kMiB + 1), 12 * kMiB);
}

TEST(CachingModelTest, SplitsAndJoins) {
  CachingModel model;
  std::vector<CachingModel::Block*> blocks;
  for (int i = 0; i < 4096; ++i) {
    blocks.push_back(model.take(500, 0));
  }
  EXPECT_EQ(model.segments(), 1U) << "4096 times 512 bytes are 2 MiB";
  for (std::size_t i = 0; i < blocks.size(); i += 2) {
    model.give(blocks[i]);
  }
  model.take(1024, 0);
  EXPECT_EQ(model.segments(), 2U) << "no two neighbours are free";
  for (std::size_t i = 1; i < blocks.size(); i += 2) {
    model.give(blocks[i]);
  }
  model.take(kMiB, 0);
  model.take(kMiB, 0);
  model.take(kMiB, 0);
  EXPECT_EQ(model.segments(), 2U) << "the first is whole again, half of the second is free";
}

TEST(CachingModelTest, LeavesASmallRestOfALargeBlockInIt) {
  CachingModel model;
  model.give(model.take(20 * kMiB, 0));
  model.take(19 * kMiB, 0);
  model.take(2 * kMiB, 0);
  EXPECT_EQ(model.segments(), 2U);
  CachingModel other;
  other.give(other.take(20 * kMiB, 0));
  other.take(17 * kMiB, 0);
  other.take(2 * kMiB, 0);
  EXPECT_EQ(other.segments(), 1U);
}

TEST(CachingModelTest, KeepsFreeBlocksOfStreamsApart) {
  CachingModel model;
  model.give(model.take(5 * kMiB, 0));
  model.take(5 * kMiB, 1);
  EXPECT_EQ(model.segments(), 2U);
  model.take(5 * kMiB, 0);
  EXPECT_EQ(model.segments(), 2U);
}

}  // namespace
}  // namespace replay
