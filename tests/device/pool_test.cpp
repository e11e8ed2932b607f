// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <set>

namespace headrace::test {
namespace {

class PoolTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(PoolTest);

TEST_P(PoolTest, GivesBuffersOfItsSizeUpToItsNumber) {
  BufferPool pool(device_, 1000, 2);
  const Buffer first = pool.get();
  const Buffer second = pool.get();
  EXPECT_EQ(first.size(), 1000U);
  EXPECT_GE(first.capacity(), 1000U);
  EXPECT_EQ(first.device_type(), DeviceType::gpu);
  EXPECT_NE(first.native_handle(), second.native_handle());
  EXPECT_EQ(code_of([&] { pool.get(); }), ErrorCode::capacity);
  EXPECT_EQ(pool.try_get(), std::nullopt);
}

TEST_P(PoolTest, GivesAgainAfterAReturn) {
  BufferPool pool(device_, 1000, 1, DeviceType::persistent_gpu);
  Buffer buffer = pool.get();
  EXPECT_EQ(code_of([&] { pool.get(); }), ErrorCode::capacity);
  pool.return_buffer(std::move(buffer));
  EXPECT_FALSE(buffer);  // NOLINT(bugprone-use-after-move): that is what is tested
  std::optional<Buffer> again = pool.try_get();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->device_type(), DeviceType::persistent_gpu);
}

TEST_P(PoolTest, CountsAvailableAndAllocatedBuffers) {
  BufferPool pool(device_, 1000, 3);
  EXPECT_EQ(pool.stats(), (BufferPoolStats{0, 0, 3}));
  Buffer first = pool.get();
  const Buffer second = pool.get();
  EXPECT_EQ(pool.stats(), (BufferPoolStats{0, 2, 3}));
  first.reset();
  EXPECT_EQ(pool.stats(), (BufferPoolStats{1, 2, 3}));
  first = pool.get();
  EXPECT_EQ(pool.stats(), (BufferPoolStats{0, 2, 3}));
}

TEST_P(PoolTest, RefusesNoDeviceNoBytesAndNoBuffers) {
  EXPECT_EQ(code_of([&] { const BufferPool pool(Device{}, 100, 1); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { const BufferPool pool(device_, 0, 1); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { const BufferPool pool(device_, 100, 0); }), ErrorCode::invalid_argument);
}

TEST_P(PoolTest, ReturnOfAnEmptyBufferIsIgnored) {
  BufferPool pool(device_, 1000, 1);
  pool.return_buffer(Buffer());
  EXPECT_EQ(pool.stats(), (BufferPoolStats{0, 0, 1}));
}

TEST_P(PoolTest, ABufferOfAnotherPoolGoesBackToItsOwn) {
  BufferPool pool(device_, 1000, 1);
  BufferPool other(device_, 2000, 1);
  Buffer buffer = other.get();
  pool.return_buffer(std::move(buffer));
  EXPECT_EQ(pool.stats(), (BufferPoolStats{0, 0, 1}));
  EXPECT_EQ(other.stats(), (BufferPoolStats{1, 1, 1}));
}

TEST_P(PoolTest, ABufferOutlivesItsPool) {
  auto pool = std::make_unique<BufferPool>(device_, 1000, 1, DeviceType::cpu);
  Buffer buffer = pool->get();
  pool.reset();
  static_cast<char*>(buffer.data())[999] = 1;
  EXPECT_EQ(buffer.size(), 1000U);
}

TEST_P(PoolTest, NeverHasMoreBuffersThanItsNumberUnderManyThreadsStress) {
  constexpr std::size_t kBuffers = 3;
  BufferPool pool(device_, 512, kBuffers, DeviceType::cpu);
  std::atomic<int> taken{0};
  std::atomic<int> most{0};
  std::atomic<int> successes{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        std::optional<Buffer> buffer = pool.try_get();
        if (!buffer) {
          continue;
        }
        const int now = ++taken;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        // Nobody else writes it meanwhile, or ThreadSanitizer and this would tell.
        auto* bytes = static_cast<int*>(buffer->data());
        *bytes = t * 1000 + i;
        std::this_thread::yield();
        EXPECT_EQ(*bytes, t * 1000 + i);
        ++successes;
        --taken;
      }
    });
  }
  threads.clear();
  EXPECT_LE(most, static_cast<int>(kBuffers));
  EXPECT_GT(successes, 0);
  EXPECT_LE(pool.stats().allocated, kBuffers);
  EXPECT_EQ(pool.stats().available, pool.stats().allocated);
}

}  // namespace
}  // namespace headrace::test
