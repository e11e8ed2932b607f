// SPDX-License-Identifier: Apache-2.0
// The host's own memory runs out at any moment of a take: nothing of the device is lost.
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>

// ThreadSanitizer's library defines the same operators, and no program may do so again.
#if defined(__SANITIZE_THREAD__)
#define HEADRACE_NEWS_ARE_TAKEN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HEADRACE_NEWS_ARE_TAKEN 1
#endif
#endif

namespace {
#ifdef HEADRACE_NEWS_ARE_TAKEN
constexpr bool kCanFailNews = false;
#else
constexpr bool kCanFailNews = true;
#endif
thread_local long news_until_failure = -1;  // of the calling thread; -1 for no failure
}  // namespace

#ifndef HEADRACE_NEWS_ARE_TAKEN
// The whole program's, so that any allocation can be told to fail. Not inlined: GCC would take the
// pairs for mismatched.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return ::operator new (size, std::align_val_t{alignof(std::max_align_t)});
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  if (news_until_failure >= 0 && news_until_failure-- == 0) {
    throw std::bad_alloc();
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, static_cast<std::size_t>(alignment), size == 0 ? 1 : size) != 0) {
    throw std::bad_alloc();
  }
  return memory;
}
[[gnu::noinline]] void* operator new(std::size_t size,
                                     std::align_val_t alignment,
                                     const std::nothrow_t& /*unused*/) noexcept {
  try {
    return ::operator new(size, alignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& tag) noexcept {
  return ::operator new (size, std::align_val_t{alignof(std::max_align_t)}, tag);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif

namespace headrace::core {
namespace {

/// Runs `call`, whose allocation number `n` from 0 fails. \returns Whether it threw.
bool throws_at(long n, const std::function<void()>& call) {
  news_until_failure = n;
  bool has_thrown = false;
  try {
    call();
  } catch (const std::bad_alloc&) {
    has_thrown = true;
  }
  news_until_failure = -1;
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
  if (!kCanFailNews) {
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
