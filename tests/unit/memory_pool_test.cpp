// SPDX-License-Identifier: Apache-2.0
#include "core/memory_pool.h"

#include "core/device_state.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::code_of;
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

TEST_F(MemoryPoolTest, ASizeThatCannotBeRoundedIsRefusedAndChangesNothing) {
  EXPECT_EQ(code_of([&] { manager_.get_buffer(~std::size_t{0}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(mock_.count(MockCall::allocate), 0U);
  expect_ledger_balances(manager_, mock_);
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
