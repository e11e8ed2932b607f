// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <latch>

namespace headrace::test {
namespace {

class MemoryStatsTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(MemoryStatsTest);

TEST_P(MemoryStatsTest, ResetPeaksForgetsWhatOtherThreadsHadToo) {
  const std::size_t capacity = manager_.get_buffer(1000).capacity();
  std::latch used(1);
  std::latch may_end(1);
  std::jthread other([&] {
    const auto use_two = [&] {
      const Buffer first = manager_.get_buffer(1000);
      const Buffer second = manager_.get_buffer(1000);
    };
    use_two();
    use_two();  // Hits: known to the thread alone.
    used.count_down();
    may_end.wait();
  });
  used.wait();
  const Buffer kept = manager_.get_buffer(1000);
  EXPECT_GE(manager_.stats().peak_bytes, 2 * capacity);
  manager_.reset_peaks();
  EXPECT_EQ(manager_.stats().peak_bytes, capacity);
  const Buffer more = manager_.get_buffer(1000);
  EXPECT_EQ(manager_.stats().peak_bytes, 2 * capacity);
  may_end.count_down();
  other.join();
  EXPECT_EQ(manager_.stats().peak_bytes, 2 * capacity) << "what the thread kept was added later";
}

TEST_P(MemoryStatsTest, ResetPeaksForgetsWhatTheDeviceHasBack) {
  manager_.get_buffer(3 << 20).reset();
  device_.synchronize();
  manager_.trim();
  const Buffer kept = manager_.get_buffer(1000);
  ASSERT_GE(manager_.stats().peak_reserved_bytes, 3U << 20);
  manager_.reset_peaks();
  EXPECT_EQ(manager_.stats().peak_reserved_bytes, manager_.stats().reserved_bytes);
  EXPECT_EQ(manager_.stats().peak_bytes, kept.capacity());
}

TEST_P(MemoryStatsTest, FragmentationIsOneLessTheLargestPartOfWhatIsFree) {
  EXPECT_EQ(manager_.stats().fragmentation(), 0.0) << "nothing is free";
  // 1.5 MiB is its own capacity, and four are a multiple of every device's granularity.
  constexpr std::size_t kPiece = std::size_t{3} << 19;
  manager_.get_buffer(4 * kPiece).reset();
  device_.synchronize();
  EXPECT_EQ(manager_.stats().fragmentation(), 0.0) << "one piece is free";
  Buffer first = manager_.get_buffer(kPiece);
  const Buffer second = manager_.get_buffer(kPiece);
  ASSERT_EQ(manager_.stats().segments, 1U);
  first.reset();
  EXPECT_EQ(manager_.stats().free_bytes, 3 * kPiece);
  EXPECT_DOUBLE_EQ(manager_.stats().fragmentation(), 1.0 / 3);
}

}  // namespace
}  // namespace headrace::test
