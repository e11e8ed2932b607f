// SPDX-License-Identifier: Apache-2.0
#include "core/memory_pool.h"
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// What threads keep must be nobody's loss: not a limit's, not another stream's, not the pool's.

namespace headrace::core {
namespace {

using test::code_of;
using test::Config;
using test::expect_ledger_balances;
using test::launch;
using test::on_thread;

constexpr std::size_t kSize = 1000;

class ThreadCacheTest : public testing::Test {
 protected:
  void limit(const Config& config) { manager_ = MemoryManager(mock_.device(), config); }

  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
  Stream stream_ = mock_.device().make_stream();
};

/// A thread that does what it is told, and lives until it is told to end.
class Worker {
 public:
  Worker() : thread_([this] { run(); }) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { end(); }

  void operator()(const std::function<void()>& job) {
    std::unique_lock lock(mutex_);
    job_ = &job;
    changed_.notify_all();
    changed_.wait(lock, [this] { return job_ == nullptr; });
  }
  void end() {
    {
      const std::scoped_lock lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return job_ != nullptr || is_over_; });
      if (job_ == nullptr) {
        return;
      }
      (*job_)();
      job_ = nullptr;
      changed_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
  bool is_over_ = false;
  std::thread thread_;
};

TEST_F(ThreadCacheTest, WhatAnotherThreadKeepsCountsAsAvailableAndServesUnderACountLimit) {
  limit(Config{.count_limit = 3});
  Worker other;
  other([&] {
    std::vector<Buffer> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(manager_.get_buffer(kSize, DeviceType::gpu, stream_));
    }
  });
  EXPECT_EQ(manager_.stats().cached_buffers, 3U);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  std::vector<Buffer> mine;
  for (int i = 0; i < 3; ++i) {
    EXPECT_NO_THROW(mine.push_back(manager_.get_buffer(kSize, DeviceType::gpu, stream_)));
  }
  EXPECT_EQ(mock_.count(MockCall::allocate), 3U);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(ThreadCacheTest, WhatAnotherThreadKeepsServesAnotherSizeUnderAByteLimit) {
  limit(Config{.byte_limit = 4096});
  Worker other;
  other([&] { manager_.get_buffer(4096, DeviceType::gpu, stream_).reset(); });
  EXPECT_NO_THROW(manager_.get_buffer(kSize, DeviceType::gpu, stream_));
  EXPECT_EQ(manager_.stats().failures, 0U);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(ThreadCacheTest, TheDeviceIsNotAskedWhileAnotherThreadKeepsMoreThanItsShare) {
  Worker other;
  other([&] {
    std::vector<Buffer> many;
    for (int i = 0; i < 20; ++i) {
      many.push_back(manager_.get_buffer(kSize, DeviceType::gpu, stream_));
    }
  });
  const std::uint64_t asked = mock_.count(MockCall::allocate);
  std::vector<Buffer> many;
  for (int i = 0; i < 20; ++i) {
    many.push_back(manager_.get_buffer(kSize, DeviceType::gpu, stream_));
  }
  EXPECT_LE(mock_.count(MockCall::allocate), asked + 2) << "one for each thread";
}

// Two threads that each need one block now and then must not live on taking one from each other.
TEST_F(ThreadCacheTest, ThreadsDoNotTakeTheLastBlockFromEachOtherForEver) {
  Worker other;
  const auto use = [&] { manager_.get_buffer(kSize, DeviceType::gpu, stream_).reset(); };
  for (int i = 0; i < 100; ++i) {
    use();
    other(use);
  }
  EXPECT_EQ(manager_.stats().misses, 2U) << "each has one of its own, though one would do";
  const Buffer mine = manager_.get_buffer(kSize, DeviceType::gpu, stream_);
  other([&] {
    EXPECT_NE(manager_.get_buffer(kSize, DeviceType::gpu, stream_).native_handle(),
              mine.native_handle());
  });
  EXPECT_EQ(manager_.stats().misses, 2U);
}

TEST_F(ThreadCacheTest, WithSlackThreadsAreDisturbedBeforeTheDevice) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  const Buffer kept = manager_.get_buffer(30 * kMiB, DeviceType::gpu, stream_);
  std::vector<Buffer> blocks;
  for (int i = 0; i < 4; ++i) {
    blocks.push_back(manager_.get_buffer(kMiB, DeviceType::gpu, stream_));
  }
  manager_.trim();  // Threads were disturbed just now, and had nothing.
  blocks.clear();
  const MemoryStats before = manager_.stats();
  ASSERT_EQ(before.cached_bytes, 4 * kMiB);
  const Buffer smaller = manager_.get_buffer(kMiB / 8 * 7, DeviceType::gpu, stream_);
  EXPECT_EQ(manager_.stats().misses, before.misses)
      << "a block that the thread kept is large enough";
}

TEST_F(ThreadCacheTest, WithoutSlackThePoolGrowsAndDisturbsNobody) {
  for (int i = 0; i < 2; ++i) {  // The first return comes before the thread keeps any.
    manager_.get_buffer(kSize, DeviceType::gpu, stream_).reset();
  }
  const std::string of_stream = "\"stream\":" + std::to_string(StreamAccess::id(stream_));
  const auto is_kept = [&] { return manager_.snapshot().find(of_stream) != std::string::npos; };
  std::vector<Buffer> blocks;
  for (int i = 0; i < 8; ++i) {
    const Stream other = mock_.device().make_stream();
    blocks.push_back(manager_.get_buffer(std::size_t{2} << 20, DeviceType::gpu, other));
    EXPECT_TRUE(is_kept());
  }
}

TEST_F(ThreadCacheTest, TrimReachesEveryThread) {
  Worker other;
  other([&] { manager_.get_buffer(kSize, DeviceType::gpu, stream_).reset(); });
  EXPECT_EQ(manager_.trim(), 1024U);
  EXPECT_EQ(mock_.live_allocations(), 0U);
  other([&] { EXPECT_TRUE(manager_.get_buffer(kSize, DeviceType::gpu, stream_)); });
  expect_ledger_balances(manager_, mock_);
}

TEST_F(ThreadCacheTest, AThreadThatEndsLeavesItsBlocksAndCounts) {
  std::optional<Buffer> kept;
  {
    Worker other;
    other([&] {
      kept = manager_.get_buffer(kSize, DeviceType::gpu, stream_);
      manager_.get_buffer(kSize, DeviceType::gpu, stream_).reset();
    });
  }
  MemoryStats stats = manager_.stats();
  EXPECT_EQ(stats.current_buffers, 1U);
  EXPECT_EQ(stats.current_bytes, 1024U);
  EXPECT_EQ(stats.requested_bytes, kSize);
  EXPECT_EQ(stats.cached_buffers, 1U);
  kept.reset();
  expect_ledger_balances(manager_, mock_);
  EXPECT_EQ(manager_.trim(), 2048U);
}

TEST_F(ThreadCacheTest, TakenOnOneThreadAndReturnedOnAnotherNeedsAMagazineMoreThanIsInFlight) {
  Worker consumer;
  for (int round = 0; round < 50; ++round) {
    std::vector<Buffer> batch;
    for (int i = 0; i < 40; ++i) {
      batch.push_back(manager_.get_buffer(kSize, DeviceType::gpu, stream_));
    }
    consumer([&] { batch.clear(); });
  }
  EXPECT_LE(manager_.stats().peak_reserved_bytes, 1024U * (40 + 64 + 16));
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(ThreadCacheTest, AStreamThatEndsLeavesWhatEveryThreadKeptForIt) {
  Worker other;
  const auto use = [&] { manager_.get_buffer(kSize, DeviceType::gpu, stream_).reset(); };
  use();
  other(use);
  const std::uint64_t old = stream_.id();
  stream_ = mock_.device().make_stream();
  EXPECT_NE(stream_.id(), old);
  const std::uint64_t asked = mock_.count(MockCall::allocate);
  mock_.complete_all();
  use();
  other(use);
  EXPECT_EQ(mock_.count(MockCall::allocate), asked);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(ThreadCacheTest, ABufferOfAStreamThatIsGoneGoesBackFromAnyThread) {
  Buffer here = manager_.get_buffer(kSize, DeviceType::gpu, stream_);
  Buffer there = manager_.get_buffer(kSize, DeviceType::gpu, stream_);
  Worker other;
  other([&] { manager_.get_buffer(kSize, DeviceType::gpu, stream_).reset(); });
  stream_ = {};
  here.reset();
  other([&] { there.reset(); });
  mock_.complete_all();
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  expect_ledger_balances(manager_, mock_);
  manager_.trim();
  EXPECT_EQ(mock_.live_allocations(), 0U);
}

TEST_F(ThreadCacheTest, BuffersOutliveTheirPoolOnEveryThread) {
  Worker other;
  Buffer here = manager_.get_buffer(kSize, DeviceType::gpu, stream_);
  std::optional<Buffer> there;
  other([&] {
    manager_.get_buffer(kSize, DeviceType::gpu, stream_).reset();
    there = manager_.get_buffer(5 * kSize, DeviceType::gpu, stream_);
  });
  manager_ = {};
  EXPECT_GE(mock_.live_allocations(), 1U);
  std::fill_n(test::bytes_of(here), here.capacity(), std::byte{1});
  here.reset();
  other([&] {
    std::fill_n(test::bytes_of(*there), there->capacity(), std::byte{2});
    there.reset();
  });
  for (int look = 0; look < 2; ++look) {  // The first records the markers.
    mock_.complete_all();
    static_cast<void>(mock_.device().make_stream());
  }
  EXPECT_EQ(mock_.live_allocations(), 0U);
}

TEST_F(ThreadCacheTest, AnEmptyBufferOutlivesItsPool) {
  Buffer empty = manager_.get_buffer(0);
  manager_ = {};
  EXPECT_THROW(empty.record_use(MockDevice().device().make_stream()), Error);
  empty.reset();
}

TEST_F(ThreadCacheTest, ManyPoolsAndStreamsOnOneThreadDoNotMixTheirBlocks) {
  std::vector<MemoryManager> managers;
  std::vector<Stream> streams;
  for (int i = 0; i < 20; ++i) {
    managers.emplace_back(mock_.device());
    streams.push_back(mock_.device().make_stream());
  }
  std::mt19937_64 random(3);
  std::deque<std::pair<std::size_t, Buffer>> live;
  for (int i = 0; i < 5000; ++i) {
    if (live.size() < 60) {
      const std::size_t manager = random() % managers.size();
      live.emplace_back(
          manager,
          managers[manager].get_buffer(kSize, DeviceType::gpu, streams[random() % streams.size()]));
    } else {
      live.pop_front();
    }
  }
  std::set<std::uint64_t> places;
  for (const auto& [manager, buffer] : live) {
    EXPECT_TRUE(places.insert(buffer.native_handle().value).second);
  }
  live.clear();
  for (const MemoryManager& manager : managers) {
    EXPECT_EQ(manager.stats().current_buffers, 0U);
  }
}

// Returned by a thread-local object that goes after the thread's cache has gone.
TEST_F(ThreadCacheTest, ALateReturnOfAThreadThatEndsIsNotLost) {
  struct Late {
    std::optional<Buffer> buffer;
    ~Late() { buffer.reset(); }
  };
  std::thread([&] {
    static thread_local Late late;  // Made before the cache, so destroyed after it.
    static_cast<void>(&late);
    late.buffer.reset();
    late.buffer = manager_.get_buffer(kSize, DeviceType::gpu, stream_);
  }).join();
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_EQ(manager_.stats().cached_buffers, 1U);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(ThreadCacheTest, SegmentsOfADeviceWithCoarseMemoryAreShared) {
  MockDevice coarse({.random_order = true, .granularity = 1 << 16});
  MemoryManager manager(coarse.device());
  std::vector<Buffer> held;
  for (std::size_t i = 1; i <= 30; ++i) {
    held.push_back(manager.get_buffer(i * 100));
  }
  EXPECT_LE(coarse.count(MockCall::allocate), 2U);
  EXPECT_GE(manager.stats().largest_free_bytes, 1U);
  expect_ledger_balances(manager, coarse);
}

// A size that grows from step to step, as a sequence that gets longer: what smaller requests left
// must not pile up.
TEST_F(ThreadCacheTest, GrowingRequestsStrandNothing) {
  MockDevice mock({.random_order = true});
  MemoryManager manager(mock.device());
  const Stream stream = mock.device().make_stream();
  std::size_t size = 1 << 16;
  for (int step = 0; step < 60; ++step) {
    const Buffer buffer = manager.get_buffer(size, DeviceType::gpu, stream);
    launch(stream, [] {});
    size += size / 16;
  }
  const MemoryStats stats = manager.stats();
  // The two sizes before may still be in use; all sizes together are sixteen times the last.
  EXPECT_LE(stats.peak_reserved_bytes, 3 * stats.peak_bytes);
}

TEST_F(ThreadCacheTest, TwoStreamsInTurnStrandNothing) {
  Stream other = mock_.device().make_stream();
  for (int round = 0; round < 40; ++round) {
    std::vector<Buffer> all;
    for (std::size_t i = 0; i < 10; ++i) {
      all.push_back(manager_.get_buffer(
          kSize * (1 + (i + static_cast<std::size_t>(round)) % 7), DeviceType::gpu, stream_));
    }
    all.clear();
    mock_.complete_all();
    std::swap(stream_, other);
  }
  EXPECT_LE(manager_.stats().peak_reserved_bytes, 2 * manager_.stats().peak_bytes);
}

// Threads that take and return as they like, beside one that trims, looks and starves them, and
// streams that come and go.
TEST(MagazineCounts, ManyMoreBlocksThanFitIn32BitsPass) {
  Magazine magazine;
  for (int i = 0; i < 3; ++i) {
    magazine.note_moved_in(INT32_MAX);
    magazine.note_moved_in(-INT32_MAX);
    for (int blocks = 0; blocks < 2; ++blocks) {
      magazine.note_moved_in(INT32_MAX / 2 - (INT32_MAX / 2) % (1 << 16));
    }
  }
  EXPECT_EQ(magazine.taken(), 6 * (std::int64_t{INT32_MAX / 2} - (INT32_MAX / 2) % (1 << 16)));
}

TEST(ThreadCacheStress, LimitsHoldAndNothingIsLostStress) {
  MockDevice mock({.random_order = true, .seed = 5});
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kHeld = 6;
  MemoryManager manager(mock.device(), Config{.count_limit = kThreads * kHeld});
  std::mutex mutex;
  std::vector<Buffer> passed_on;
  std::atomic<bool> is_over = false;
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t number = 0; number < kThreads; ++number) {
      threads.emplace_back([&, number] {
        std::mt19937_64 random(number);
        Stream stream = mock.device().make_stream();
        std::vector<Buffer> held;
        for (int i = 0; i < 4000; ++i) {
          const std::size_t size = 256 + random() % 600;
          const DeviceType type = random() % 8 == 0 ? DeviceType::cpu : DeviceType::gpu;
          if (held.size() < kHeld - 1 && random() % 2 == 0) {
            const auto code =
                code_of([&] { held.push_back(manager.get_buffer(size, type, stream)); });
            refused += code ? 1 : 0;
          } else if (!held.empty()) {
            if (random() % 4 == 0) {
              const std::scoped_lock lock(mutex);
              std::swap(held.back(), passed_on.empty() ? held.back() : passed_on.back());
            }
            held.pop_back();
          }
          if (random() % 200 == 0) {
            stream = mock.device().make_stream();
          }
        }
      });
    }
    threads.emplace_back([&] {
      while (!is_over) {
        manager.trim();
        const MemoryStats stats = manager.stats();
        EXPECT_LE(stats.current_buffers + stats.cached_buffers, kThreads * kHeld);
        std::this_thread::yield();
      }
    });
    for (std::size_t number = 0; number < kThreads; ++number) {
      threads[number].join();
    }
    is_over = true;
  }
  passed_on.clear();
  EXPECT_EQ(refused, 0) << "each held at most its share of the limit";
  mock.complete_all();
  EXPECT_EQ(manager.stats().current_buffers, 0U);
  EXPECT_EQ(manager.stats().current_bytes, 0U);
  EXPECT_EQ(manager.stats().requested_bytes, 0U);
  expect_ledger_balances(manager, mock);
  manager.trim();
  mock.complete_all();
  manager.trim();
  EXPECT_EQ(mock.live_allocations(), 0U);
}

}  // namespace
}  // namespace headrace::core
