// SPDX-License-Identifier: Apache-2.0
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// What a captured graph uses stays out of every other use until its scope ends.

namespace headrace::core {
namespace {

using test::code_of;
using test::expect_ledger_balances;
using test::launch;

class CaptureScopeTest : public testing::Test {
 protected:
  ~CaptureScopeTest() override { expect_ledger_balances(manager_, mock_); }

  Buffer take(const Stream& stream,
              std::size_t size = kSize,
              DeviceType device_type = DeviceType::gpu) {
    return manager_.get_buffer(size, device_type, stream);
  }
  /// Takes a buffer and returns it while `a_` is being captured. \returns Where it was.
  NativeHandle used_in_capture(std::size_t size = kSize) {
    mock_.set_capturing(true);
    const NativeHandle place = take(a_, size).native_handle();
    mock_.set_capturing(false);
    return place;
  }
  /// Whether any of more takes than there are cached buffers, `stream`, gets `place`.
  bool is_found(const NativeHandle& place, const Stream& stream, std::size_t size = kSize) {
    std::vector<Buffer> taken;
    bool is_found = false;
    const std::size_t takes = manager_.stats().cached_buffers + 70;  // More than a magazine holds.
    for (std::size_t i = 0; i < takes; ++i) {
      taken.push_back(take(stream, size));
      is_found |= taken.back().native_handle() == place;
    }
    return is_found;
  }

  static constexpr std::size_t kSize = 4096;
  static constexpr std::size_t kLarge = std::size_t{3} << 20;
  MockDevice mock_{{.total_bytes = std::size_t{8} << 30}};
  MemoryManager manager_{mock_.device()};
  Stream a_ = mock_.device().make_stream();
  Stream b_ = mock_.device().make_stream();
};

TEST_F(CaptureScopeTest, WhatTheCaptureUsedIsNobodysUntilTheScopeEnds) {
  for (const std::size_t size : {kSize, kLarge}) {
    std::optional<CaptureScope> scope(std::in_place, manager_, a_);
    const NativeHandle place = used_in_capture(size);
    EXPECT_GE(scope->kept_bytes(), size);
    EXPECT_FALSE(is_found(place, a_, size));
    EXPECT_FALSE(is_found(place, b_, size));
    scope->end_capture();
    EXPECT_FALSE(is_found(place, a_, size));
    EXPECT_FALSE(is_found(place, b_, size));
    manager_.trim();
    EXPECT_FALSE(is_found(place, a_, size));
    scope.reset();
    EXPECT_TRUE(is_found(place, a_, size));
  }
}

TEST_F(CaptureScopeTest, LaterWorkOfTheCaptureUsesItAgain) {
  for (const std::size_t size : {kSize, kLarge}) {
    const CaptureScope scope(manager_, a_);
    mock_.set_capturing(true);
    const NativeHandle place = take(a_, size).native_handle();
    const std::uint64_t misses = manager_.stats().misses;
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(take(a_, size).native_handle(), place);
    }
    EXPECT_NE(take(b_, size).native_handle(), place) << "it is another stream's";
    mock_.set_capturing(false);
    EXPECT_LE(manager_.stats().misses, misses + 1);
  }
}

TEST_F(CaptureScopeTest, WhatWasUsedOnAnotherStreamTooIsNotUsedAgainInTheCapture) {
  const CaptureScope scope(manager_, a_);
  mock_.set_capturing(true);
  Buffer buffer = take(a_);
  const NativeHandle place = buffer.native_handle();
  launch(b_, [] {});
  buffer.record_use(b_);
  buffer.reset();
  EXPECT_FALSE(is_found(place, a_));
  mock_.set_capturing(false);
}

TEST_F(CaptureScopeTest, CpuMemoryIsNotUsedAgainInTheCapture) {
  const CaptureScope scope(manager_, a_);
  mock_.set_capturing(true);
  const NativeHandle place = take(a_, kSize, DeviceType::cpu).native_handle();
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(take(a_, kSize, DeviceType::cpu).native_handle(), place);
  }
  mock_.set_capturing(false);
}

// The graph may be launched on any stream, so that the order of its own does not help.
TEST_F(CaptureScopeTest, MemoryWhoseUsesAreNotKnownToBeOverIsNotTaken) {
  NativeHandle place;
  {
    const Buffer used = take(a_);
    place = used.native_handle();
    launch(a_, [] {});
  }
  const CaptureScope scope(manager_, a_);
  mock_.set_capturing(true);
  const std::uint64_t signals = mock_.count(MockCall::signal);
  EXPECT_FALSE(is_found(place, a_));
  EXPECT_EQ(mock_.count(MockCall::signal), signals) << "a captured stream was marked";
  EXPECT_EQ(mock_.count(MockCall::host_wait), 0U);
  mock_.set_capturing(false);
}

TEST_F(CaptureScopeTest, MemoryWhoseUsesAreOverIsTaken) {
  const NativeHandle place = take(a_).native_handle();
  const CaptureScope scope(manager_, a_);
  mock_.set_capturing(true);
  const std::uint64_t allocations = mock_.count(MockCall::allocate);
  EXPECT_EQ(take(a_).native_handle(), place);
  EXPECT_EQ(mock_.count(MockCall::allocate), allocations);
  mock_.set_capturing(false);
}

TEST_F(CaptureScopeTest, WhatIsReturnedInTheCaptureIsKeptThoughItWasTakenBefore) {
  for (const bool is_named : {false, true}) {
    Buffer before = take(a_);
    const NativeHandle place = before.native_handle();
    CaptureScope scope(manager_, a_);
    if (is_named) {
      scope.keep(before);
    }
    mock_.set_capturing(true);
    launch(a_, [] {});
    before.reset();
    EXPECT_FALSE(is_found(place, a_)) << "work before the capture may use it yet";
    mock_.set_capturing(false);
    mock_.complete_all();
    EXPECT_FALSE(is_found(place, a_));
    EXPECT_GE(scope.kept_bytes(), kSize);
  }
}

TEST_F(CaptureScopeTest, OthersUseTheMemoryAfterTheLaunchesOnAllStreams) {
  const Stream launches = mock_.device().make_stream();
  std::optional<CaptureScope> scope(std::in_place, manager_, a_);
  const NativeHandle place = used_in_capture();
  scope->end_capture();
  launch(launches, [] {});
  scope->record_use(launches);
  scope.reset();
  EXPECT_FALSE(is_found(place, a_));
  EXPECT_FALSE(is_found(place, b_));
  mock_.complete_all();
  EXPECT_TRUE(is_found(place, b_));
}

TEST_F(CaptureScopeTest, ABufferThatOutlivesItsScopeComesBackInTheSameOrder) {
  const Stream launches = mock_.device().make_stream();
  std::optional<CaptureScope> scope(std::in_place, manager_, a_);
  mock_.set_capturing(true);
  Buffer buffer = take(a_);
  mock_.set_capturing(false);
  const NativeHandle place = buffer.native_handle();
  launch(launches, [] {});
  scope->record_use(launches);
  scope.reset();
  EXPECT_FALSE(is_found(place, a_));
  buffer.reset();
  EXPECT_FALSE(is_found(place, a_));
  mock_.complete_all();
  EXPECT_TRUE(is_found(place, a_));
}

TEST_F(CaptureScopeTest, ABufferThatASecondScopeIsToldOfKeepsTheOrderOfTheFirst) {
  const Stream launches = mock_.device().make_stream();
  std::optional<CaptureScope> first(std::in_place, manager_, a_);
  mock_.set_capturing(true);
  Buffer buffer = take(a_);
  mock_.set_capturing(false);
  const NativeHandle place = buffer.native_handle();
  launch(launches, [] {});
  first->record_use(launches);
  first.reset();
  std::optional<CaptureScope> second(std::in_place, manager_, b_);
  second->keep(buffer);
  buffer.reset();
  second.reset();
  EXPECT_FALSE(is_found(place, a_));
  mock_.complete_all();
  EXPECT_TRUE(is_found(place, a_));
}

TEST_F(CaptureScopeTest, ABufferOfAnotherStreamIsKeptWhenItIsNamed) {
  std::optional<CaptureScope> scope(std::in_place, manager_, a_);
  Buffer other = take(b_);
  const NativeHandle place = other.native_handle();
  scope->keep(other);
  scope->keep(other);
  scope->end_capture();
  other.reset();
  EXPECT_FALSE(is_found(place, b_));
  EXPECT_EQ(scope->kept_bytes(), kSize);
  scope.reset();
  EXPECT_TRUE(is_found(place, b_));
}

TEST_F(CaptureScopeTest, WhatTwoCapturesUsedIsKeptUntilBothScopesEnd) {
  for (const bool first_ends_first : {true, false}) {
    std::array<std::optional<CaptureScope>, 2> scopes;
    scopes[0].emplace(manager_, a_);
    mock_.set_capturing(true);
    Buffer buffer = take(a_);
    mock_.set_capturing(false);
    scopes[0]->end_capture();
    const NativeHandle place = buffer.native_handle();
    scopes[1].emplace(manager_, a_);
    mock_.set_capturing(true);
    buffer.reset();
    EXPECT_FALSE(is_found(place, a_));
    mock_.set_capturing(false);
    scopes[1]->end_capture();
    scopes.at(first_ends_first ? 0 : 1).reset();
    EXPECT_FALSE(is_found(place, a_));
    scopes.at(first_ends_first ? 1 : 0).reset();
    EXPECT_TRUE(is_found(place, a_));
  }
}

TEST_F(CaptureScopeTest, ThreadsKeepBuffersAgainOnceTheCaptureEnded) {
  const std::string of_stream = "\"stream\":" + std::to_string(StreamAccess::id(a_));
  const auto is_kept_by_thread = [&] {  // Loose blocks are no stream's.
    take(a_).reset();
    return manager_.snapshot().find(of_stream) != std::string::npos;
  };
  EXPECT_TRUE(is_kept_by_thread());
  CaptureScope scope(manager_, a_);
  EXPECT_FALSE(is_kept_by_thread());
  EXPECT_FALSE(test::on_thread(is_kept_by_thread).get());
  used_in_capture();
  scope.end_capture();
  EXPECT_TRUE(is_kept_by_thread());
  scope.end_capture();
  const CaptureScope second(manager_, a_);
  EXPECT_FALSE(is_kept_by_thread());
}

TEST_F(CaptureScopeTest, ReturnsOfAnotherThreadAreKeptToo) {
  std::optional<CaptureScope> scope(std::in_place, manager_, a_);
  test::on_thread([&] { take(a_).reset(); }).get();  // That thread would have a cache of its own.
  mock_.set_capturing(true);
  Buffer buffer = take(a_);
  const NativeHandle place = buffer.native_handle();
  test::on_thread([&] { buffer.reset(); }).get();
  mock_.set_capturing(false);
  EXPECT_FALSE(is_found(place, b_));
  EXPECT_FALSE(test::on_thread([&] { return is_found(place, a_); }).get());
}

TEST_F(CaptureScopeTest, MovesTakeTheMemoryAlong) {
  CaptureScope first(manager_, a_);
  const NativeHandle place = used_in_capture();
  first.end_capture();
  CaptureScope second(std::move(first));
  EXPECT_EQ(second.kept_bytes(), kSize);
  CaptureScope third(manager_, b_);
  second = std::move(third);
  EXPECT_EQ(second.kept_bytes(), 0U);
  EXPECT_TRUE(is_found(place, a_)) << "what was assigned over ended";
}

TEST_F(CaptureScopeTest, TheSnapshotSaysWhatIsKept) {
  const auto has_kept = [this] {
    return manager_.snapshot().find(R"("state":"kept")") != std::string::npos;
  };
  CaptureScope scope(manager_, a_);
  Buffer held = take(a_);
  EXPECT_FALSE(has_kept()) << "taken";
  used_in_capture();
  EXPECT_TRUE(has_kept());
  scope.end_capture();
  EXPECT_TRUE(has_kept());
  { const CaptureScope over = std::move(scope); }
  EXPECT_FALSE(has_kept()) << "given up";
}

TEST_F(CaptureScopeTest, WrongUseIsRefused) {
  const CaptureScope scope(manager_, a_);
  EXPECT_EQ(code_of([&] { const CaptureScope second(manager_, a_); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { const CaptureScope none(MemoryManager{}, a_); }),
            ErrorCode::invalid_argument);
  MockDevice other;
  EXPECT_EQ(code_of([&] { const CaptureScope wrong(manager_, other.device().make_stream()); }),
            ErrorCode::invalid_argument);
  CaptureScope mine(manager_, b_);
  MemoryManager others(mock_.device());
  Buffer buffer = take(a_);
  mine.keep(buffer);
  EXPECT_EQ(code_of([&] { mine.keep(Buffer{}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] {
              CaptureScope third(others, b_);
              third.keep(buffer);
            }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] {
              CaptureScope fourth(manager_);
              fourth.keep(buffer);
            }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { mine.record_use(other.device().make_stream()); }),
            ErrorCode::invalid_argument);
}

TEST_F(CaptureScopeTest, StressOfThreadsBesideCapturesLosesNothing) {
  std::atomic<bool> is_over = false;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([this, &is_over, t] {
      std::mt19937 random(t);
      std::vector<Buffer> held;
      while (!is_over) {
        const std::uint32_t draw = random();
        held.push_back(take(draw % 2 == 0 ? a_ : b_, std::size_t{256} << (draw >> 8U) % 4));
        while (held.size() > draw % 16) {
          held.erase(held.begin());
        }
      }
    });
  }
  for (int i = 0; i < 3000; ++i) {
    CaptureScope scope(manager_, i % 3 == 0 ? b_ : a_);
    mock_.set_capturing(true);
    const Buffer outlives = take(i % 3 == 0 ? b_ : a_);
    take(a_).reset();
    mock_.set_capturing(false);
    if (i % 2 == 0) {
      scope.end_capture();
    }
  }
  is_over = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  mock_.complete_all();
  expect_ledger_balances(manager_, mock_);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  manager_.trim();
  EXPECT_EQ(mock_.live_allocations(), 0U) << "something is kept that no scope keeps";
}

TEST(CaptureScopeLife, AScopeOutlivesTheLastHandleOfItsManager) {
  MockDevice mock;
  std::optional<CaptureScope> scope;
  {
    MemoryManager manager(mock.device());
    scope.emplace(manager);
    mock.set_capturing(true);
    manager.get_buffer(1000).reset();
    mock.set_capturing(false);
  }
  EXPECT_EQ(scope->kept_bytes(), 1024U);
  EXPECT_EQ(mock.live_allocations(), 1U);
  scope.reset();
  EXPECT_EQ(mock.live_allocations(), 0U);
}

}  // namespace
}  // namespace headrace::core
