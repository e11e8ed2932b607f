// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"
#include "support/snapshot_reading.h"

#include <array>
#include <random>

namespace headrace::test {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}
double milliseconds_since(Clock::time_point time) {
  return milliseconds(Clock::now() - time);
}

class SnapshotTest : public DeviceTest {
 protected:
  [[nodiscard]] Json snapshot() const { return Json::parse(manager_.snapshot()); }

  /// The taken block that has `tag`; null when there is not exactly one.
  [[nodiscard]] static Json block_of(const Json& snapshot, const std::string& tag) {
    Json found;
    for (const Json& segment : snapshot.at("segments")) {
      for (const Json& span : segment.at("spans")) {
        for (const Json& block : span.value("blocks", Json::array())) {
          if (block.at("state") == "taken" && block.at("tag") == tag) {
            EXPECT_TRUE(found.is_null());
            found = block;
            found["address"] = segment.at("address");
            found["segment_age_ms"] = segment.at("age_ms");
            found["kind"] = segment.at("kind");
          }
        }
      }
    }
    return found;
  }

  void expect_balances() const {
    const MemoryStats stats = manager_.stats();
    const Json json = snapshot();
    SnapshotSums sums = add_up(json);
    EXPECT_EQ(sums.reserved_bytes, stats.reserved_bytes);
    EXPECT_EQ(sums.segments, stats.segments);
    EXPECT_EQ(sums.free_bytes, stats.free_bytes);
    EXPECT_EQ(sums.largest_free_bytes, stats.largest_free_bytes);
    EXPECT_EQ(sums.bytes["taken"], stats.current_bytes);
    EXPECT_EQ(sums.buffers["taken"], stats.current_buffers);
    EXPECT_EQ(sums.buffers["cached"], stats.cached_buffers);
    EXPECT_EQ(sums.tags, manager_.tag_stats());
    EXPECT_EQ(tags_of(json), manager_.tag_stats());
  }
};
HEADRACE_ON_EVERY_DEVICE(SnapshotTest);

TEST_P(SnapshotTest, SaysWhoseItIsAndItsLimits) {
  manager_ = make_manager({.name = "frames \"1\"\xff",
                           .byte_limit = 1 << 20,
                           .soft_byte_limit = 1 << 19,
                           .count_limit = 7,
                           .pressure_callback = {}});
  const Json json = snapshot();
  EXPECT_EQ(json.at("version"), 1);
  EXPECT_EQ(json.at("manager"), "frames \"1\"\xef\xbf\xbd") << "what is no UTF-8 is replaced";
  EXPECT_EQ(json.at("device"), device_.info().spec);
  EXPECT_EQ(json.at("limits"),
            Json({{"byte_limit", 1 << 20}, {"soft_byte_limit", 1 << 19}, {"count_limit", 7}}));
  EXPECT_EQ(json.at("segments"), Json::array());
  EXPECT_EQ(json.at("tags"), Json::array());
  EXPECT_EQ(code_of([] { static_cast<void>(MemoryManager().snapshot()); }),
            ErrorCode::invalid_argument);
}

TEST_P(SnapshotTest, TotalsAreTheStatistics) {
  manager_.get_buffer(3 << 20).reset();
  device_.synchronize();
  Buffer first = manager_.get_buffer(1'500'000);
  const Buffer second = manager_.get_buffer(1000);
  first.reset();
  manager_.get_buffer(1000).reset();
  EXPECT_EQ(code_of([&] { manager_.get_buffer(std::size_t{1} << 60); }), ErrorCode::out_of_memory);
  const MemoryStats s = manager_.stats();
  ASSERT_GT(s.failures, 0U);
  const Json expected = {{"current_bytes", s.current_bytes},
                         {"peak_bytes", s.peak_bytes},
                         {"requested_bytes", s.requested_bytes},
                         {"cached_bytes", s.cached_bytes},
                         {"reserved_bytes", s.reserved_bytes},
                         {"peak_reserved_bytes", s.peak_reserved_bytes},
                         {"current_buffers", s.current_buffers},
                         {"cached_buffers", s.cached_buffers},
                         {"segments", s.segments},
                         {"free_bytes", s.free_bytes},
                         {"largest_free_bytes", s.largest_free_bytes},
                         {"hits", s.hits},
                         {"misses", s.misses},
                         {"stream_waits", s.stream_waits},
                         {"host_waits", s.host_waits},
                         {"failures", s.failures},
                         {"release_errors", s.release_errors},
                         {"fragmentation", s.fragmentation()}};
  EXPECT_EQ(snapshot().at("totals"), expected);
}

TEST_P(SnapshotTest, ItsPartsAddUpToTheStatisticsInARandomProgram) {
  std::mt19937 random(21);
  const std::array<std::string, 3> names{"", "weights", "activations"};
  const std::array<Stream, 2> streams{Stream{}, device_.make_stream()};
  std::vector<Buffer> taken;
  for (int step = 0; step < 600; ++step) {
    if (taken.empty() || random() % 20 < 11) {
      const MemoryTag tag(names.at(random() % names.size()));
      const std::size_t size = 1 + random() % (std::size_t{1} << (8 + random() % 14));
      const auto kind = static_cast<DeviceType>(random() % 3);
      taken.push_back(manager_.get_buffer(size, kind, streams.at(random() % 2)));
    } else {
      std::swap(taken.at(random() % taken.size()), taken.back());
      taken.pop_back();
    }
    if (random() % 50 == 0) {
      device_.synchronize();
      manager_.trim();
    }
    if (step % 10 == 0) {
      expect_balances();
      ASSERT_FALSE(HasFailure()) << "step " << step;
    }
  }
  taken.clear();
  expect_balances();
}

TEST_P(SnapshotTest, ABlockIsWhereItsBufferIs) {
  const Stream stream = device_.make_stream();
  const std::vector<Buffer> others = [&] {
    std::vector<Buffer> some;
    for (int i = 0; i < 20; ++i) {
      some.push_back(manager_.get_buffer(1000, DeviceType::persistent_gpu));
    }
    return some;
  }();
  const MemoryTag tag("here");
  const Buffer buffer = manager_.get_buffer(1001, DeviceType::persistent_gpu, stream);
  const Json block = block_of(snapshot(), "here");
  ASSERT_TRUE(block.is_object());
  EXPECT_EQ(block.at("kind"), "persistent_gpu");
  EXPECT_EQ(number(block, "bytes"), buffer.capacity());
  EXPECT_EQ(number(block, "requested"), 1001U);
  EXPECT_EQ(number(block, "stream"), stream.id());
  const std::uint64_t address = std::stoull(block.at("address").get<std::string>(), nullptr, 16);
  const NativeHandle handle = buffer.native_handle();
  if (handle.kind == HandleKind::pointer) {
    EXPECT_EQ(address + number(block, "offset"), handle.value);
  } else {
    EXPECT_EQ(address, handle.value);
    EXPECT_EQ(number(block, "offset"), handle.offset);
  }
}

TEST_P(SnapshotTest, AgesAreThoseOfTheSegmentAndOfTheLastMiss) {
  const MemoryTag tag("aging");
  const Clock::time_point before = Clock::now();
  Buffer buffer = manager_.get_buffer(1000);
  const Clock::time_point after = Clock::now();
  const double at_least = milliseconds_since(after);
  Json block = block_of(snapshot(), "aging");
  const double at_most = milliseconds_since(before);
  for (const char* age : {"segment_age_ms", "at_most_age_ms"}) {
    EXPECT_GE(block.at(age).get<double>(), at_least) << age;
    EXPECT_LE(block.at(age).get<double>(), at_most) << age;
  }
  buffer.reset();
  buffer = manager_.get_buffer(1000);  // A hit, which reads no clock: the bound is that of before.
  const double later = milliseconds_since(after);
  block = block_of(snapshot(), "aging");
  for (const char* age : {"segment_age_ms", "at_most_age_ms"}) {
    EXPECT_GE(block.at(age).get<double>(), later) << age;
  }
}

TEST_P(SnapshotTest, TheAgeOfABlockBeginsAgainAtAMissAndThatOfItsSegmentDoesNot) {
  Buffer buffer;
  {
    const MemoryTag tag("large");
    buffer = manager_.get_buffer(3 << 20);
  }
  const Clock::time_point first = Clock::now();
  buffer.reset();
  device_.synchronize();
  const MemoryTag tag("large again");
  const Clock::time_point second = Clock::now();
  buffer = manager_.get_buffer(3 << 20);
  ASSERT_EQ(manager_.stats().segments, 1U);
  const Json block = block_of(snapshot(), "large again");
  EXPECT_LE(block.at("at_most_age_ms").get<double>(), milliseconds_since(second));
  EXPECT_GE(block.at("segment_age_ms").get<double>(), milliseconds(second - first));
}

}  // namespace
}  // namespace headrace::test
