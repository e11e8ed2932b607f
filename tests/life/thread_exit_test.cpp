// SPDX-License-Identifier: Apache-2.0
#include "headrace/headrace.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

// Threads end at any time, with full magazines, and in any order with their own objects.

namespace headrace::test {
namespace {

constexpr std::size_t kSize = 1000;

TEST(ThreadExitTest, TenThousandThreadsLeaveNothingBehind) {
  MemoryManager manager(open_device("host"));
  for (int i = 0; i < 10'000; ++i) {
    std::thread([manager]() mutable {
      Buffer first = manager.get_buffer(kSize);
      const Buffer second = manager.get_buffer(kSize);
      first.reset();
    }).join();
  }
  const MemoryStats stats = manager.stats();
  EXPECT_EQ(stats.current_buffers, 0U);
  EXPECT_EQ(stats.current_bytes, 0U);
  EXPECT_LE(stats.cached_buffers, 4U) << "Each thread took two at most.";
  EXPECT_LE(stats.misses, 4U);
  EXPECT_EQ(stats.hits + stats.misses, 20'000U);
}

TEST(ThreadExitTest, FullMagazinesGoToThePool) {
  MemoryManager manager(open_device("host"));
  constexpr std::size_t kMany = 300;
  const auto take_many = [manager]() mutable {
    std::vector<Buffer> buffers;
    for (std::size_t i = 0; i < kMany; ++i) {
      buffers.push_back(manager.get_buffer(kSize));
    }
  };
  std::thread(take_many).join();
  const MemoryStats before = manager.stats();
  EXPECT_EQ(before.current_buffers, 0U);
  std::thread(take_many).join();
  EXPECT_EQ(manager.stats().misses, before.misses);
  EXPECT_EQ(manager.stats().reserved_bytes, before.reserved_bytes);
  EXPECT_EQ(manager.trim(), before.reserved_bytes);
}

/// What a thread holds until after its own objects made later are destroyed: the library's table
/// is one of them when the holder is first.
struct Holder {
  std::optional<MemoryManager> manager;
  std::vector<Buffer> buffers;
  Tensor tensor;
};

TEST(ThreadExitTest, BuffersOutliveTheThreadsTable) {
  MemoryManager manager(open_device("host"));
  std::thread([manager] {
    thread_local Holder before;
    before.manager = manager;  // The constructor has run: the table is made after it.
    for (int i = 0; i < 100; ++i) {
      before.buffers.push_back(before.manager->get_buffer(kSize));
    }
    before.tensor = Tensor(manager, Shape{4}, DataType::float32);
    thread_local Holder after;
    after.manager = manager;
    for (int i = 0; i < 100; ++i) {
      after.buffers.push_back(after.manager->get_buffer(kSize));
    }
  }).join();
  const MemoryStats stats = manager.stats();
  EXPECT_EQ(stats.current_buffers, 0U);
  EXPECT_EQ(stats.current_bytes, 0U);
  EXPECT_GE(stats.cached_buffers, 201U) << "200 buffers and a tensor";
}

TEST(ThreadExitTest, AThreadsLastObjectsMayStillTake) {
  MemoryManager manager(open_device("host"));
  std::atomic<int> taken{0};
  struct TakesAtTheEnd {
    MemoryManager manager;
    std::atomic<int>* count = nullptr;
    ~TakesAtTheEnd() {
      for (int i = 0; i < 100; ++i) {
        *count += manager.get_buffer(kSize) ? 1 : 0;
      }
    }
  };
  std::thread([&] {
    thread_local TakesAtTheEnd last;
    last.manager = manager;
    last.count = &taken;
    manager.get_buffer(kSize).reset();
  }).join();
  EXPECT_EQ(taken, 100);
  EXPECT_EQ(manager.stats().current_buffers, 0U);
  EXPECT_EQ(manager.stats().misses, 1U) << "The table is gone, the pool is not.";
}

TEST(ThreadExitTest, StressThreadsEndWhileThePoolCloses) {
  for (int round = 0; round < 300; ++round) {
    MockDevice mock;
    auto manager = std::make_unique<MemoryManager>(mock.device());
    std::atomic<int> ready{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, mine = *manager]() mutable {
        std::vector<Buffer> buffers;
        for (int k = 0; k < 40; ++k) {
          buffers.push_back(mine.get_buffer(kSize));
        }
        Buffer last = mine.get_buffer(kSize);
        buffers.clear();
        mine = MemoryManager();
        ++ready;
        while (!go) {
          std::this_thread::yield();
        }
        last.reset();
      });
    }
    while (ready != 3) {
      std::this_thread::yield();
    }
    go = true;
    manager.reset();
    for (std::thread& thread : threads) {
      thread.join();
    }
    ASSERT_EQ(mock.live_allocations(), 0U) << "round " << round;
  }
}

}  // namespace
}  // namespace headrace::test
