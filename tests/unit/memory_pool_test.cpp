// SPDX-License-Identifier: Apache-2.0
#include "core/memory_pool.h"

#include "core/device_state.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::code_of;
using test::Config;
using test::expect_ledger_balances;
using test::launch;
using test::state_of;

constexpr std::size_t kSize = 1000;

class MemoryPoolTest : public testing::Test {
 protected:
  // Takes a buffer on `stream`, gives it work there, and returns it. Says which memory it was.
  NativeHandle use(const Stream& stream, DeviceType type = DeviceType::gpu) {
    const Buffer buffer = manager_.get_buffer(kSize, type, stream);
    launch(stream, [] {});
    return buffer.native_handle();
  }
  [[nodiscard]] std::uint64_t backend_calls() const {
    std::uint64_t calls = 0;
    for (int kind = 0; kind <= static_cast<int>(MockCall::host_wait); ++kind) {
      calls += mock_.count(static_cast<MockCall>(kind));
    }
    return calls;
  }
  void limit(const Config& config) { manager_ = MemoryManager(mock_.device(), config); }

  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
  Stream a_ = mock_.device().make_stream();
  Stream b_ = mock_.device().make_stream();
};

TEST_F(MemoryPoolTest, OnTheSameStreamMemoryIsReusedAtOnceWithoutABackendCall) {
  const NativeHandle first = use(a_);
  const std::uint64_t before = backend_calls();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(manager_.get_buffer(kSize, DeviceType::gpu, a_).native_handle(), first);
  }
  EXPECT_EQ(backend_calls(), before);
  EXPECT_EQ(manager_.stats().hits, 100U);
  mock_.complete_all();
}

TEST_F(MemoryPoolTest, OnAnotherStreamItIsReusedOnlyWhenTheWorkIsDone) {
  const NativeHandle first = use(a_);
  EXPECT_NE(use(b_), first);
  mock_.step(1);  // The work of a, but not its marker.
  manager_.trim();
  EXPECT_EQ(mock_.live_allocations(), 2U) << "neither b's marker nor a's is passed";
  mock_.complete_all();
  std::vector<Buffer> both;
  both.push_back(manager_.get_buffer(kSize, DeviceType::gpu, b_));
  both.push_back(manager_.get_buffer(kSize, DeviceType::gpu, b_));
  EXPECT_EQ(manager_.stats().misses, 2U);
  EXPECT_EQ(mock_.count(MockCall::wait_for), 0U);
}

TEST_F(MemoryPoolTest, OneMarkerCoversAllFreesSoFar) {
  {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 20; ++i) {
      buffers.push_back(manager_.get_buffer(kSize, DeviceType::gpu, a_));
    }
    launch(a_, [] {});
  }
  EXPECT_EQ(mock_.count(MockCall::signal), 0U);
  std::vector<Buffer> others;
  for (int i = 0; i < 5; ++i) {
    others.push_back(manager_.get_buffer(kSize, DeviceType::gpu, b_));
  }
  EXPECT_EQ(mock_.count(MockCall::signal), 1U);
  mock_.complete_all();
  const std::uint64_t misses = manager_.stats().misses;
  for (int i = 0; i < 20; ++i) {
    others.push_back(manager_.get_buffer(kSize, DeviceType::gpu, b_));
  }
  EXPECT_EQ(manager_.stats().misses, misses) << "those of a serve";
  EXPECT_EQ(mock_.count(MockCall::signal), 1U);
}

TEST_F(MemoryPoolTest, CpuMemoryIsNotReusedBeforeItsUseIsDoneNotEvenOnItsStream) {
  const NativeHandle first = use(a_, DeviceType::cpu);
  const Buffer second = manager_.get_buffer(kSize, DeviceType::cpu, a_);
  EXPECT_NE(second.native_handle(), first);
  mock_.complete_all();
  EXPECT_EQ(manager_.get_buffer(kSize, DeviceType::cpu, a_).native_handle(), first);
  EXPECT_EQ(manager_.stats().host_waits, 0U);
}

TEST_F(MemoryPoolTest, ARecordedUseOnAnotherStreamKeepsItFromItsOwn) {
  NativeHandle first;
  {
    const Buffer buffer = manager_.get_buffer(kSize, DeviceType::gpu, a_);
    first = buffer.native_handle();
    launch(b_, [] {});
    buffer.record_use(b_);
  }
  const Buffer second = manager_.get_buffer(kSize, DeviceType::gpu, a_);
  EXPECT_NE(second.native_handle(), first);
  mock_.complete_all();
  EXPECT_EQ(manager_.get_buffer(kSize, DeviceType::gpu, a_).native_handle(), first);
}

TEST_F(MemoryPoolTest, ARecordedUseCoversWorkSubmittedBeforeItOnly) {
  Buffer buffer = manager_.get_buffer(kSize, DeviceType::gpu, a_);
  const NativeHandle first = buffer.native_handle();
  launch(b_, [] {});
  buffer.record_use(b_);
  state_of(b_).mark();
  launch(b_, [] {});  // Not of this buffer.
  mock_.step(2);
  mock_.step(2);  // The first work and its marker.
  buffer.reset();
  EXPECT_EQ(manager_.get_buffer(kSize, DeviceType::gpu, a_).native_handle(), first);
  mock_.complete_all();
}

TEST_F(MemoryPoolTest, ATensorReadElsewhereIsNotReusedBeforeTheRead) {
  NativeHandle first;
  {
    const Tensor from(manager_, Shape{250}, DataType::int32, DeviceType::gpu, a_);
    const Tensor to(manager_, Shape{250}, DataType::int32, DeviceType::gpu, b_);
    first = from.native_handle();
    Tensor(to).copy_from(from, b_);
  }
  const Buffer next = manager_.get_buffer(kSize, DeviceType::gpu, a_);
  EXPECT_NE(next.native_handle(), first) << "b still reads it";
  mock_.complete_all();
}

TEST_F(MemoryPoolTest, AnEmptyRequestTouchesNothing) {
  const std::uint64_t before = backend_calls();
  {
    const Buffer empty = manager_.get_buffer(0);
    EXPECT_TRUE(empty);
    EXPECT_EQ(empty.size(), 0U);
    EXPECT_EQ(empty.data(), nullptr);
    EXPECT_EQ(empty.native_handle(), NativeHandle{});
    EXPECT_EQ(manager_.stats().current_buffers, 0U);
  }
  EXPECT_EQ(backend_calls(), before);
  EXPECT_TRUE(manager_.pool_stats().empty());
}

TEST_F(MemoryPoolTest, KindsDoNotShareMemory) {
  std::set<std::uint64_t> handles;
  for (const DeviceType type : {DeviceType::cpu, DeviceType::gpu, DeviceType::persistent_gpu}) {
    handles.insert(manager_.get_buffer(kSize, type).native_handle().value);
    mock_.complete_all();
  }
  EXPECT_EQ(handles.size(), 3U);
  EXPECT_EQ(manager_.pool_stats().size(), 3U);
}

TEST_F(MemoryPoolTest, PoolStatsCountTakenBuffersAboveTheClasses) {
  constexpr std::size_t kLarge = std::size_t{3} << 20;
  std::optional<Buffer> first = manager_.get_buffer(kLarge, DeviceType::gpu, a_);
  const Buffer second = manager_.get_buffer(kLarge - 1, DeviceType::gpu, a_);
  const Buffer other = manager_.get_buffer(kLarge, DeviceType::cpu, a_);
  using Pools = std::map<PoolKey, BufferPoolStats>;
  EXPECT_EQ(
      manager_.pool_stats(),
      (Pools{{{kLarge, DeviceType::gpu}, {0, 2, 0}}, {{kLarge, DeviceType::cpu}, {0, 1, 0}}}));
  first.reset();
  EXPECT_EQ(
      manager_.pool_stats(),
      (Pools{{{kLarge, DeviceType::gpu}, {0, 1, 0}}, {{kLarge, DeviceType::cpu}, {0, 1, 0}}}));
}

TEST_F(MemoryPoolTest, StatsFollowEveryTakeAndReturn) {
  Buffer first = manager_.get_buffer(1000);  // Of 1024 bytes.
  Buffer second = manager_.get_buffer(300);  // Of 512.
  MemoryStats stats = manager_.stats();
  EXPECT_EQ(stats.current_bytes, 1536U);
  EXPECT_EQ(stats.requested_bytes, 1300U);
  EXPECT_EQ(stats.current_buffers, 2U);
  EXPECT_EQ(stats.reserved_bytes, 1536U);
  EXPECT_EQ(stats.misses, 2U);
  first.reset();
  stats = manager_.stats();
  EXPECT_EQ(stats.current_bytes, 512U);
  EXPECT_EQ(stats.requested_bytes, 300U);
  EXPECT_EQ(stats.cached_bytes, 1024U);
  EXPECT_EQ(stats.cached_buffers, 1U);
  EXPECT_EQ(stats.peak_bytes, 1536U);
  first = manager_.get_buffer(1024);
  EXPECT_EQ(manager_.stats().hits, 1U);
  EXPECT_EQ(manager_.stats().requested_bytes, 1324U);
  expect_ledger_balances(manager_, mock_);
  first.reset();
  second.reset();
  mock_.complete_all();
  EXPECT_EQ(manager_.trim(), 1536U);
  stats = manager_.stats();
  EXPECT_EQ(stats.reserved_bytes, 0U);
  EXPECT_EQ(stats.peak_reserved_bytes, 1536U);
  EXPECT_TRUE(manager_.pool_stats().empty());
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolTest, WhatTheDeviceRefusedWasNeverReserved) {
  const Buffer held = manager_.get_buffer(kSize);
  mock_.fail(MockCall::allocate, 1, ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(1 << 20); }), ErrorCode::device_lost);
  EXPECT_EQ(manager_.stats().peak_reserved_bytes, held.capacity());
  EXPECT_EQ(manager_.stats().failures, 1U);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolTest, TrimLeavesWhatIsTakenAndWhatIsInUse) {
  const Buffer taken = manager_.get_buffer(kSize);
  use(a_);
  EXPECT_EQ(manager_.trim(), 0U);
  EXPECT_EQ(mock_.live_allocations(), 2U);
  mock_.complete_all();
  EXPECT_EQ(manager_.trim(), 1024U);
  EXPECT_EQ(mock_.live_allocations(), 1U);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolTest, ABufferTakenBeforeATrimIsGoodAfterIt) {
  Buffer buffer = manager_.get_buffer(kSize);
  manager_.trim();
  std::fill_n(test::bytes_of(buffer), buffer.capacity(), std::byte{7});
  buffer.reset();
  EXPECT_EQ(manager_.stats().cached_buffers, 1U);
}

// --- Limits

TEST_F(MemoryPoolTest, ExactlyTheCountLimitExists) {
  limit(Config{.count_limit = 3});
  std::vector<Buffer> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(manager_.get_buffer(kSize));
  }
  EXPECT_EQ(code_of([&] { manager_.get_buffer(kSize); }), ErrorCode::capacity);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(5 * kSize); }), ErrorCode::capacity);
  EXPECT_EQ(manager_.stats().failures, 2U);
  held.pop_back();
  EXPECT_NO_THROW(held.push_back(manager_.get_buffer(kSize)));
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolTest, ExactlyTheByteLimitIsReserved) {
  MockDevice mock({.random_order = true, .seed = 4});
  MemoryManager manager(mock.device(), Config{.byte_limit = 4096});
  std::vector<Buffer> held;
  held.push_back(manager.get_buffer(3072));
  held.push_back(manager.get_buffer(1024));
  EXPECT_EQ(manager.stats().reserved_bytes, 4096U);
  EXPECT_EQ(code_of([&] { manager.get_buffer(1); }), ErrorCode::out_of_memory);
  held.pop_back();
  EXPECT_EQ(code_of([&] { manager.get_buffer(1025); }), ErrorCode::out_of_memory);
  EXPECT_NO_THROW(held.push_back(manager.get_buffer(256)));
  expect_ledger_balances(manager, mock);
}

TEST_F(MemoryPoolTest, ASizeThatCannotBeRoundedIsRefusedAndChangesNothing) {
  EXPECT_EQ(code_of([&] { manager_.get_buffer(~std::size_t{0}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(mock_.count(MockCall::allocate), 0U);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolTest, UnderTheCountLimitAStreamIsMadeToWaitForTheOldest) {
  limit(Config{.count_limit = 2});
  std::vector<NativeHandle> used;
  {
    std::vector<Buffer> both;
    both.push_back(manager_.get_buffer(kSize, DeviceType::gpu, a_));
    both.push_back(manager_.get_buffer(kSize, DeviceType::gpu, a_));
    launch(a_, [] {});
    for (Buffer& buffer : both) {
      used.push_back(buffer.native_handle());
      buffer.reset();
    }
  }
  bool ran = false;
  const Buffer buffer = manager_.get_buffer(kSize, DeviceType::gpu, b_);
  EXPECT_EQ(buffer.native_handle(), used[0]);
  EXPECT_EQ(manager_.stats().stream_waits, 1U);
  EXPECT_EQ(mock_.count(MockCall::wait_for), 1U);
  launch(b_, [&] { ran = true; });
  EXPECT_FALSE(mock_.step(2)) << "a has not run";
  mock_.complete_all();
  EXPECT_TRUE(ran);
}

TEST_F(MemoryPoolTest, UnderTheCountLimitTheHostWaitsForCpuMemory) {
  limit(Config{.count_limit = 1});
  const NativeHandle first = use(a_, DeviceType::cpu);
  auto taking = test::on_thread(
      [&] { return manager_.get_buffer(kSize, DeviceType::cpu, a_).native_handle(); });
  test::wait_until([&] { return mock_.count(MockCall::host_wait) == 1; });
  mock_.complete_all();
  EXPECT_EQ(taking.get(), first);
  EXPECT_EQ(manager_.stats().host_waits, 1U);
  EXPECT_EQ(mock_.count(MockCall::allocate), 1U);
}

TEST_F(MemoryPoolTest, BelowTheSoftLimitItGrowsRatherThanMakeAStreamWait) {
  limit(Config{.soft_byte_limit = 4096});
  for (int i = 0; i < 3; ++i) {
    use(i % 2 == 0 ? a_ : b_);  // The third finds the first's, on its own stream.
  }
  EXPECT_EQ(manager_.stats().misses, 2U);
  const Stream c = mock_.device().make_stream();
  const Stream d = mock_.device().make_stream();
  const NativeHandle of_c = use(c);
  const NativeHandle of_d = use(d);
  EXPECT_NE(of_c, of_d);
  EXPECT_EQ(manager_.stats().misses, 4U) << "up to the limit";
  EXPECT_EQ(manager_.stats().stream_waits, 0U);
  const Stream e = mock_.device().make_stream();
  use(e);
  EXPECT_EQ(manager_.stats().misses, 4U) << "above it";
  EXPECT_EQ(manager_.stats().stream_waits, 1U);
  mock_.complete_all();
}

TEST_F(MemoryPoolTest, AboveTheSoftLimitItGrowsWhenThereIsNothingToWaitFor) {
  limit(Config{.soft_byte_limit = 1024});
  const Buffer first = manager_.get_buffer(kSize);
  const Buffer second = manager_.get_buffer(kSize);
  EXPECT_EQ(manager_.stats().misses, 2U);
}

TEST_F(MemoryPoolTest, ASoftLimitAndALargeRequestDoNotWrap) {
  MockDevice mock({.random_order = true, .seed = 4});
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = 1 << 20, .soft_byte_limit = ~std::size_t{0}});
  manager.get_buffer(kSize).reset();
  EXPECT_EQ(code_of([&] { manager.get_buffer(std::size_t{1} << 63); }), ErrorCode::out_of_memory);
  expect_ledger_balances(manager, mock);
}

TEST_F(MemoryPoolTest, AFailedWaitPutsTheBlockBackAndCountsAFailure) {
  limit(Config{.count_limit = 1});
  const NativeHandle first = use(a_);
  mock_.fail(MockCall::wait_for, 1, ErrorCode::internal);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(kSize, DeviceType::gpu, b_); }), ErrorCode::internal);
  expect_ledger_balances(manager_, mock_);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_EQ(manager_.stats().failures, 1U);
  // Its use on a is still known: b must wait for it.
  bool a_done = false;
  launch(a_, [&] { a_done = true; });
  const Buffer again = manager_.get_buffer(kSize, DeviceType::gpu, b_);
  EXPECT_EQ(again.native_handle(), first);
  EXPECT_EQ(mock_.count(MockCall::wait_for), 2U);
  mock_.complete_all();
  EXPECT_TRUE(a_done);
}

TEST_F(MemoryPoolTest, AReturnThatCannotBeMarkedIsCountedAndItsMemoryNotHandedToOthers) {
  const Stream adopted = mock_.device().adopt_stream(a_.native_handle());
  Buffer buffer = manager_.get_buffer(kSize, DeviceType::gpu, adopted);
  const NativeHandle first = buffer.native_handle();
  launch(adopted, [] {});
  mock_.fail(MockCall::signal, 1, ErrorCode::internal);
  buffer.reset();
  EXPECT_EQ(manager_.stats().release_errors, 1U);
  const Buffer next = manager_.get_buffer(kSize, DeviceType::gpu, b_);
  EXPECT_NE(next.native_handle(), first) << "the work that uses it has not run";
  mock_.complete_all();
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolTest, AStreamOfAnotherDeviceIsRefusedAndNothingChanges) {
  const MockDevice other;
  const Stream foreign = other.device().make_stream();
  EXPECT_EQ(code_of([&] { manager_.get_buffer(kSize, DeviceType::gpu, foreign); }),
            ErrorCode::invalid_argument);
  const Buffer buffer = manager_.get_buffer(kSize);
  EXPECT_EQ(code_of([&] { buffer.record_use(foreign); }), ErrorCode::invalid_argument);
  EXPECT_EQ(manager_.stats().misses, 1U);
  void* pointer = manager_.allocate_buffer(kSize);
  EXPECT_EQ(code_of([&] { manager_.release_buffer(pointer, foreign); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(manager_.stats().current_buffers, 2U);
  manager_.release_buffer(pointer);
  EXPECT_EQ(code_of([&] { manager_.release_buffer(pointer); }), ErrorCode::invalid_argument);
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolTest, APointerReleasedOnAStreamIsNotReusedBeforeThatStreamsWork) {
  void* pointer = manager_.allocate_buffer(kSize, a_);
  launch(b_, [] {});
  manager_.release_buffer(pointer, b_);
  EXPECT_NE(manager_.allocate_buffer(kSize, a_), pointer);
  mock_.complete_all();
  EXPECT_EQ(manager_.allocate_buffer(kSize, a_), pointer);
}

TEST_F(MemoryPoolTest, APointerReleasedOnNoNamedStreamIsOfTheDefaultStreamsWork) {
  manager_.release_buffer(manager_.allocate_buffer(kSize, a_));  // The thread keeps it from now on.
  mock_.complete_all();
  void* pointer = manager_.allocate_buffer(kSize, a_);
  launch(mock_.device().default_stream(), [] {});
  manager_.release_buffer(pointer);
  EXPECT_NE(manager_.allocate_buffer(kSize, a_), pointer);
  mock_.complete_all();
  EXPECT_EQ(manager_.allocate_buffer(kSize, a_), pointer);
}

TEST_F(MemoryPoolTest, APointerIsReleasedThoughItsUseCannotBeMarkedAndIsNotReusedBefore) {
  const Stream adopted = mock_.device().adopt_stream(b_.native_handle());
  void* pointer = manager_.allocate_buffer(kSize, a_);
  launch(adopted, [] {});
  mock_.fail(MockCall::signal, 1);
  manager_.release_buffer(pointer, adopted);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_NE(manager_.allocate_buffer(kSize, a_), pointer);
}

TEST_F(MemoryPoolTest, TheHostDoesNotWaitForTheTakersOwnWork) {
  limit({.byte_limit = 4096});
  for (int i = 0; i < 50; ++i) {  // Serials of the one stream that the other has not reached.
    launch(a_, [] {});
    state_of(a_).mark();
  }
  mock_.complete_all();
  for (int i = 0; i < 2; ++i) {
    state_of(a_).mark();
    mock_.complete_all();
    const Buffer buffer = manager_.get_buffer(4096, DeviceType::cpu, a_);
    launch(a_, [] {});
  }
  launch(b_, [] {});
  const std::uint64_t before = mock_.count(MockCall::signal);
  auto taken = test::on_thread([this] { return manager_.get_buffer(4096, DeviceType::cpu, b_); });
  const auto is_taken = [&taken] {
    return taken.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready;
  };
  for (int i = 0; i < 5000 && !is_taken(); ++i) {
    mock_.step(1);  // Of the stream that used the memory, and no other.
  }
  EXPECT_TRUE(is_taken()) << "it waits for the taker's stream";
  EXPECT_LE(mock_.count(MockCall::signal) - before, 1U) << "of the stream that used it";
  while (!is_taken()) {
    mock_.step();
  }
  mock_.complete_all();
}

TEST_F(MemoryPoolTest, AFailedWaitLeavesNoPointOfAnotherStreamBehind) {
  limit({.byte_limit = 4096});
  for (int i = 0; i < 50; ++i) {
    launch(a_, [] {});
    state_of(a_).mark();
  }
  mock_.complete_all();
  for (int i = 0; i < 2; ++i) {
    const Buffer buffer = manager_.get_buffer(4096, DeviceType::gpu, a_);
    launch(a_, [] {});
  }
  mock_.fail(MockCall::wait_for, 1);
  EXPECT_TRUE(code_of([&] { manager_.get_buffer(4096, DeviceType::gpu, b_); }).has_value());
  mock_.complete_all();
  const std::uint64_t before = mock_.count(MockCall::signal);
  manager_.trim();
  EXPECT_LE(mock_.count(MockCall::signal) - before, 2U) << "one a stream";
}

TEST_F(MemoryPoolTest, ThePeakOfOneThreadIsExactWhereTakesWithALockAndWithoutMix) {
  constexpr std::size_t kSmall = std::size_t{1} << 20;
  constexpr std::size_t kLarge = std::size_t{2} << 20;
  const auto use_both = [this] {
    const Buffer small = manager_.get_buffer(kSmall, DeviceType::gpu, a_);
    const Buffer large = manager_.get_buffer(kLarge, DeviceType::gpu, a_);
  };
  use_both();  // What is taken from here on is a hit.
  manager_.reset_peaks();
  {
    const Buffer held = manager_.get_buffer(kSmall, DeviceType::gpu, a_);
    manager_.get_buffer(kLarge, DeviceType::gpu, a_).reset();
    EXPECT_EQ(manager_.stats().peak_bytes, kSmall + kLarge);
  }
  manager_.reset_peaks();
  manager_.get_buffer(kSmall, DeviceType::gpu, a_).reset();
  manager_.get_buffer(kLarge, DeviceType::gpu, a_).reset();
  manager_.get_buffer(kSmall, DeviceType::gpu, a_).reset();
  EXPECT_EQ(manager_.stats().peak_bytes, kLarge);
  manager_.reset_peaks();
  manager_.get_buffer(kSmall, DeviceType::gpu, a_).reset();
  EXPECT_EQ(manager_.stats().peak_bytes, kSmall) << "of a hit alone";
}

TEST_F(MemoryPoolTest, CpuMemoryIsReusedOnAStreamWhoseHandleIsOut) {
  // From now on nobody knows what is launched there without asking.
  ASSERT_NE(a_.native_handle(), NativeHandle{});
  std::set<std::uint64_t> places;
  for (int i = 0; i < 200; ++i) {
    const Buffer buffer = manager_.get_buffer(kSize, DeviceType::cpu, a_);
    places.insert(buffer.native_handle().value);
    launch(a_, [] {});
    if (i % 2 == 1) {
      mock_.complete_all();
    }
  }
  EXPECT_LE(places.size(), 4U) << "two at once are in use";
}

TEST(MemoryPoolDevice, OneThatWantsMoreAlignmentThanBlocksHaveIsRefused) {
  const auto scripted = std::make_shared<test::ScriptedDevice>();
  scripted->alignment = 4096;
  const Device device = DeviceAccess::make(make_shared_here<DeviceState>(scripted));
  EXPECT_EQ(code_of([&] { const MemoryManager manager(device); }), ErrorCode::unsupported);
}

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

TEST_F(MemoryPoolTest, ReturnsInAnyOrderAndTakesAgainNeedLittleMoreThanWasHeldAtOnce) {
  std::vector<Buffer> held;
  std::map<std::size_t, std::size_t> most;  // Of each capacity, held at once.
  for (std::size_t round = 0; round < 50; ++round) {
    for (std::size_t i = 0; i < 8; ++i) {
      held.push_back(manager_.get_buffer(kSize * (1 + i)));
    }
    std::map<std::size_t, std::size_t> now;
    for (const Buffer& buffer : held) {
      ++now[buffer.capacity()];
    }
    for (const auto& [capacity, count] : now) {
      most[capacity] = std::max(most[capacity], count);
    }
    std::ranges::rotate(held, held.begin() + static_cast<std::ptrdiff_t>(round % 8));
    held.resize(round % 5);
    expect_ledger_balances(manager_, mock_);
  }
  std::size_t sum = 0;
  for (const auto& [capacity, count] : most) {
    sum += capacity * count;
  }
  EXPECT_LE(manager_.stats().peak_reserved_bytes, sum + sum / 8);
}

}  // namespace
}  // namespace headrace::core
