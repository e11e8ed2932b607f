// SPDX-License-Identifier: Apache-2.0
// The host's own memory runs out at any moment of a take: nothing of the device is lost.
#include "news.h"
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <new>

namespace headrace::core {
namespace {

/// Runs `call`, whose allocation number `n` from 0 fails. \returns Whether it threw.
bool throws_at(long n, const std::function<void()>& call) {
  test::news_until_failure = n;
  bool has_thrown = false;
  try {
    call();
  } catch (const std::bad_alloc&) {
    has_thrown = true;
  }
  test::news_until_failure = -1;
  return has_thrown;
}

void expect_nothing_lost(const MemoryManager& manager, const MockDevice& mock) {
  const MemoryStats stats = manager.stats();
  EXPECT_EQ(stats.reserved_bytes, mock.live_bytes());
  EXPECT_EQ(stats.segments, mock.live_allocations());
  EXPECT_EQ(stats.current_buffers, 0U);
  EXPECT_EQ(stats.current_bytes, 0U);
}

void skip_where_news_cannot_fail() {
  if (!test::kNewsAreOurs) {
    GTEST_SKIP() << "ThreadSanitizer's library owns operator new";
  }
}

class HostMemory : public testing::Test {
  void SetUp() override { skip_where_news_cannot_fail(); }
};
class HostMemoryTest : public testing::TestWithParam<std::size_t> {
  void SetUp() override { skip_where_news_cannot_fail(); }
};

TEST_P(HostMemoryTest, ATakeThatFindsNoneLosesNothingOfTheDevice) {
  const std::size_t size = GetParam();
  int failures = 0;
  for (long n = 0; n < 60; ++n) {
    MockDevice mock;
    MemoryManager manager(mock.device());
    failures += throws_at(n, [&] { manager.get_buffer(size).reset(); }) ? 1 : 0;
    expect_nothing_lost(manager, mock);
    // What is split and joined, too.
    const bool again = throws_at(n, [&] { manager.get_buffer(size / 2).reset(); });
    failures += again ? 1 : 0;
    expect_nothing_lost(manager, mock);
    manager.get_buffer(size).reset();
    if (size > std::size_t{1} << 20) {
      EXPECT_EQ(manager.stats().segments, 1U) << "the free memory was not found";
    }
    manager.trim();
    mock.complete_all();
    manager.trim();
    EXPECT_EQ(mock.live_allocations(), 0U) << "when allocation " << n << " failed";
  }
  EXPECT_GT(failures, 4);
}
INSTANTIATE_TEST_SUITE_P(Sizes,
                         HostMemoryTest,
                         testing::Values(std::size_t{512},
                                         std::size_t{100} << 10,
                                         std::size_t{3} << 20));

TEST_F(HostMemory, ATensorThatFindsNoneGivesItsMemoryBack) {
  MockDevice mock;
  const MemoryManager manager(mock.device());
  Tensor(manager, Shape{64}, DataType::float32).release();
  int failures = 0;
  for (long n = 0; n < 10; ++n) {
    failures += throws_at(n, [&] { const Tensor tensor(manager, Shape{64}, DataType::float32); });
    expect_nothing_lost(manager, mock);
  }
  EXPECT_GT(failures, 0);
}

}  // namespace
}  // namespace headrace::core
