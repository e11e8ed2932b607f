// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <limits>
#include <random>
#include <unordered_set>

namespace headrace::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ManagerTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(ManagerTest);

TEST_P(ManagerTest, WithoutADeviceRefusesEveryCall) {
  MemoryManager none;
  EXPECT_FALSE(none);
  EXPECT_EQ(code_of([&] { none.get_buffer(1); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { none.allocate_buffer(1); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { none.release_buffer(&none); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(none.stats()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { none.trim(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { const MemoryManager manager{Device{}}; }), ErrorCode::invalid_argument);
}

TEST_P(ManagerTest, SizeClassesAreCloserThanAFactorOfFour) {
  struct Policy {
    SizeClassPolicy policy;
    std::size_t most_waste_divisor;  // of the size rounded up to 256; 0 for none
  };
  for (const Policy& p : {Policy{SizeClassPolicy::eighths, 8},
                          Policy{SizeClassPolicy::quarters, 4},
                          Policy{SizeClassPolicy::exact, 0}}) {
    MemoryManager manager = make_manager({.size_classes = p.policy, .pressure_callback = {}});
    std::mt19937 random(1);
    std::vector<std::size_t> sizes{1, 255, 256, 257, 1023, 1025, 4095, 4097, 65537, 1 << 20};
    for (int i = 0; i < 100; ++i) {
      sizes.push_back(1 + random() % (std::size_t{1} << (8 + i % 14)));
    }
    for (const std::size_t size : sizes) {
      const std::size_t capacity = manager.get_buffer(size, DeviceType::cpu).capacity();
      const std::size_t rounded = (size + 255) / 256 * 256;
      const std::size_t waste = p.most_waste_divisor == 0 ? 0 : rounded / p.most_waste_divisor;
      EXPECT_GE(capacity, rounded) << size;
      EXPECT_LE(capacity, rounded + waste) << size;
      manager.trim();
    }
  }
}

TEST_P(ManagerTest, PoolStatsAreByCapacityAndKind) {
  const Buffer first = manager_.get_buffer(1000);
  Buffer second = manager_.get_buffer(1000);
  const Buffer third = manager_.get_buffer(1000, DeviceType::cpu);
  const Buffer fourth = manager_.get_buffer(100'000, DeviceType::persistent_gpu);
  second.reset();
  const std::map<PoolKey, BufferPoolStats> expected{
      {{first.capacity(), DeviceType::gpu}, {1, 2, 0}},
      {{third.capacity(), DeviceType::cpu}, {0, 1, 0}},
      {{fourth.capacity(), DeviceType::persistent_gpu}, {0, 1, 0}}};
  EXPECT_EQ(manager_.pool_stats(), expected);
  std::unordered_set<PoolKey> keys;
  for (const auto& [key, stats] : expected) {
    keys.insert(key);
  }
  EXPECT_EQ(keys.size(), 3U);
}

TEST_P(ManagerTest, PoolStatsForgetAPoolThatWasTrimmed) {
  manager_.get_buffer(1000).reset();
  EXPECT_EQ(manager_.pool_stats().size(), 1U);
  device_.synchronize();
  manager_.trim();
  EXPECT_TRUE(manager_.pool_stats().empty());
}

TEST_P(ManagerTest, CurrentPeakAndRequestedBytesAreExact) {
  Buffer small = manager_.get_buffer(1000);
  Buffer large = manager_.get_buffer(100'000);
  const std::size_t both = small.capacity() + large.capacity();
  MemoryStats stats = manager_.stats();
  EXPECT_EQ(stats.current_bytes, both);
  EXPECT_EQ(stats.peak_bytes, both);
  EXPECT_EQ(stats.requested_bytes, 101'000U);
  EXPECT_EQ(stats.current_buffers, 2U);
  const std::uint64_t misses = stats.misses;
  const std::uint64_t hits = stats.hits;
  EXPECT_EQ(misses + hits, 2U);
  const std::uint64_t reserved = stats.reserved_bytes;
  EXPECT_GE(reserved, both);
  EXPECT_EQ(stats.cached_bytes, reserved - both);

  const std::size_t large_bytes = large.capacity();
  large.reset();
  stats = manager_.stats();
  EXPECT_EQ(stats.current_bytes, small.capacity());
  EXPECT_EQ(stats.requested_bytes, 1000U);
  EXPECT_EQ(stats.cached_bytes, reserved - both + large_bytes);
  EXPECT_EQ(stats.cached_buffers, 1U);
  EXPECT_EQ(stats.reserved_bytes, reserved);

  large = manager_.get_buffer(99'999);  // the same class: from the cache
  stats = manager_.stats();
  EXPECT_EQ(stats.hits, hits + 1);
  EXPECT_EQ(stats.misses, misses);
  EXPECT_EQ(stats.requested_bytes, 100'999U);
  EXPECT_EQ(stats.peak_bytes, both);
  EXPECT_EQ(stats.cached_bytes, reserved - both);
}

TEST_P(ManagerTest, TrimGivesBackWhatIsCachedAndNothingElse) {
  const Buffer kept = manager_.get_buffer(5000, DeviceType::persistent_gpu);
  const std::uint64_t for_kept = manager_.stats().reserved_bytes;
  manager_.get_buffer(1000).reset();
  manager_.get_buffer(9000, DeviceType::cpu).reset();
  device_.synchronize();
  const std::uint64_t more = manager_.stats().reserved_bytes - for_kept;
  EXPECT_GE(more, 10'000U);
  EXPECT_EQ(manager_.trim(), more);
  const MemoryStats stats = manager_.stats();
  EXPECT_EQ(stats.cached_buffers, 0U);
  EXPECT_EQ(stats.reserved_bytes, for_kept);
  EXPECT_EQ(manager_.trim(), 0U);
}

TEST_P(ManagerTest, KindsDoNotShareMemory) {
  Buffer weights = manager_.get_buffer(4096, DeviceType::persistent_gpu);
  const NativeHandle handle = weights.native_handle();
  weights.reset();
  EXPECT_NE(manager_.get_buffer(4096, DeviceType::gpu).native_handle(), handle);
  EXPECT_EQ(manager_.get_buffer(4096, DeviceType::persistent_gpu).native_handle(), handle);
}

TEST_P(ManagerTest, AllocateAndReleaseAPointer) {
  void* pointer = manager_.allocate_buffer(5000);
  ASSERT_NE(pointer, nullptr);
  EXPECT_EQ(manager_.stats().requested_bytes, 5000U);
  void* other = manager_.allocate_buffer(5000, device_.default_stream());
  EXPECT_NE(pointer, other);
  manager_.release_buffer(pointer);
  manager_.release_buffer(other, device_.make_stream());
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
}

TEST_P(ManagerTest, UnknownPointerIsRefused) {
  void* pointer = manager_.allocate_buffer(5000);
  int mine = 0;
  const MemoryStats before = manager_.stats();
  EXPECT_EQ(code_of([&] { manager_.release_buffer(&mine); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { manager_.release_buffer(static_cast<char*>(pointer) + 1); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { make_manager().release_buffer(pointer); }), ErrorCode::invalid_argument);
  EXPECT_THAT(text_of([&] { manager_.release_buffer(&mine); }), HasSubstr(device_.info().spec));
  EXPECT_EQ(manager_.stats().current_bytes, before.current_bytes);
  EXPECT_EQ(manager_.stats().cached_bytes, before.cached_bytes);
  manager_.release_buffer(pointer);
}

TEST_P(ManagerTest, APointerReleasedTwiceIsRefused) {
  void* pointer = manager_.allocate_buffer(5000);
  manager_.release_buffer(pointer);
  EXPECT_EQ(code_of([&] { manager_.release_buffer(pointer); }), ErrorCode::invalid_argument);
  EXPECT_EQ(manager_.stats().cached_buffers, 1U);
}

TEST_P(ManagerTest, ReleaseWithAStreamOfAnotherDeviceChangesNothing) {
  const MockDevice other;
  void* pointer = manager_.allocate_buffer(5000);
  EXPECT_EQ(code_of([&] { manager_.release_buffer(pointer, other.device().default_stream()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
  manager_.release_buffer(pointer);
}

TEST_P(ManagerTest, AllocateOfZeroBytesIsNullAndNullIsIgnored) {
  EXPECT_EQ(manager_.allocate_buffer(0), nullptr);
  manager_.release_buffer(nullptr);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_EQ(manager_.stats().misses, 0U);
}

TEST_P(ManagerTest, PointersNotReleasedGoWithTheManager) {
  {
    MemoryManager manager = make_manager();
    EXPECT_NE(manager.allocate_buffer(5000), nullptr);
  }
  device_.synchronize();
  if (mock_) {
    EXPECT_EQ(mock_->live_allocations(), 0U);
  } else if (GetParam() == "outside") {
    EXPECT_EQ(outside::live_blocks(), 0U);
  }
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
}

TEST_P(ManagerTest, CopiesAreOneManager) {
  const MemoryManager copy = manager_;
  EXPECT_EQ(copy, manager_);
  const Buffer buffer = manager_.get_buffer(10);
  EXPECT_EQ(copy.stats().current_buffers, 1U);
  EXPECT_NE(make_manager(), manager_);
  EXPECT_EQ(copy.device(), device_);
}

TEST_P(ManagerTest, AForeignStreamIsRefused) {
  const MockDevice other;
  EXPECT_EQ(
      code_of([&] { manager_.get_buffer(10, DeviceType::gpu, other.device().make_stream()); }),
      ErrorCode::invalid_argument);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
}

TEST_P(ManagerTest, ASizeThatCannotBeRoundedIsRefused) {
  EXPECT_EQ(code_of([&] { manager_.get_buffer(std::numeric_limits<std::size_t>::max()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(std::numeric_limits<std::size_t>::max() - 255); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(manager_.stats().reserved_bytes, 0U);
}

TEST_P(ManagerTest, ByteLimitIsKept) {
  MemoryManager manager = make_manager({.byte_limit = 64 << 10, .pressure_callback = {}});
  const Buffer first = manager.get_buffer(40 << 10);
  EXPECT_EQ(code_of([&] { manager.get_buffer(40 << 10); }), ErrorCode::out_of_memory);
  const Buffer second = manager.get_buffer(24 << 10);  // exactly the rest
  EXPECT_EQ(code_of([&] { manager.get_buffer(1); }), ErrorCode::out_of_memory);
  EXPECT_EQ(manager.stats().reserved_bytes, 64U << 10);
  EXPECT_EQ(manager.stats().failures, 2U);
}

TEST_P(ManagerTest, CountLimitIsKept) {
  MemoryManager manager = make_manager({.count_limit = 2, .pressure_callback = {}});
  const Buffer first = manager.get_buffer(100);
  Buffer second = manager.get_buffer(10'000);
  EXPECT_EQ(code_of([&] { manager.get_buffer(100); }), ErrorCode::capacity);
  const std::map<PoolKey, BufferPoolStats> pools = manager.pool_stats();
  EXPECT_EQ(pools.at({first.capacity(), DeviceType::gpu}), (BufferPoolStats{0, 1, 2}));
  second.reset();  // its memory makes room for another class
  EXPECT_TRUE(manager.get_buffer(100));
}

TEST_P(ManagerTest, CachedMemoryOfOtherClassesMakesRoomUnderTheByteLimit) {
  MemoryManager manager = make_manager({.byte_limit = 64 << 10, .pressure_callback = {}});
  manager.get_buffer(64 << 10).reset();
  const Buffer buffer = manager.get_buffer(1000);
  EXPECT_EQ(buffer.size(), 1000U);
  EXPECT_LE(manager.stats().reserved_bytes, 64U << 10);
  EXPECT_EQ(manager.stats().failures, 0U);
}

TEST_P(ManagerTest, MemoryInUseElsewhereMakesRoomWhenItsWorkIsDone) {
  for_each_order([&] {
    MemoryManager manager = make_manager({.byte_limit = 64 << 10, .pressure_callback = {}});
    const Stream stream = device_.make_stream();
    Gate gate(can_hold());
    Buffer buffer = manager.get_buffer(64 << 10, DeviceType::gpu, stream);
    gate.hold(stream);
    buffer.reset();
    const std::jthread opener = gate.open_later();
    EXPECT_TRUE(manager.get_buffer(1000));
  });
}

TEST_P(ManagerTest, ErrorSaysWhatWasAskedAndWhatThereIs) {
  MemoryManager manager =
      make_manager({.name = "weights", .byte_limit = 64 << 10, .pressure_callback = {}});
  const Buffer live = manager.get_buffer(40 << 10);
  EXPECT_THAT(text_of([&] { manager.get_buffer(30'001); }),
              AllOf(HasSubstr("30001 bytes"),
                    HasSubstr("gpu"),
                    HasSubstr("limit of 65536 bytes"),
                    HasSubstr("'weights'"),
                    HasSubstr(device_.info().spec),
                    HasSubstr("40960 bytes in 1 buffers are taken"),
                    HasSubstr("are cached")));
  MemoryManager few = make_manager({.name = "few", .count_limit = 1, .pressure_callback = {}});
  const Buffer one = few.get_buffer(300);
  EXPECT_THAT(text_of([&] { few.get_buffer(301, DeviceType::cpu); }),
              AllOf(HasSubstr("301 bytes of cpu memory"),
                    HasSubstr("limit of 1 buffers"),
                    HasSubstr("'few'"),
                    HasSubstr("512 bytes in 1 buffers are taken")));
}

TEST_P(ManagerTest, MoreThanTheDeviceHasIsOutOfMemoryAndTheNextCallWorks) {
  const std::size_t too_much = std::size_t{1} << 60;
  EXPECT_EQ(code_of([&] { manager_.get_buffer(too_much); }), ErrorCode::out_of_memory);
  EXPECT_THAT(text_of([&] { manager_.get_buffer(too_much); }),
              AllOf(HasSubstr(std::to_string(too_much)), HasSubstr("memory of the device")));
  EXPECT_EQ(manager_.stats().reserved_bytes, 0U);
  EXPECT_EQ(manager_.stats().failures, 2U);
  EXPECT_TRUE(manager_.pool_stats().empty());
  EXPECT_EQ(manager_.get_buffer(1000).size(), 1000U);
}

TEST_P(ManagerTest, AFailedRequestDoesNotRaiseThePeaks) {
  const Buffer buffer = manager_.get_buffer(1000);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(std::size_t{1} << 60); }), ErrorCode::out_of_memory);
  EXPECT_EQ(manager_.stats().peak_bytes, buffer.capacity());
  EXPECT_EQ(manager_.stats().peak_reserved_bytes, manager_.stats().reserved_bytes);
}

TEST_P(ManagerTest, PressureCallbackIsToldTheBytesAndMayUseTheManager) {
  MemoryManager manager;
  Buffer held;
  std::vector<std::size_t> wanted;
  manager = make_manager({.byte_limit = 64 << 10, .pressure_callback = [&](std::size_t bytes) {
                            wanted.push_back(bytes);
                            // Would never return if a lock were held.
                            static_cast<void>(manager.stats());
                            static_cast<void>(manager.pool_stats());
                            manager.get_buffer(1000).reset();
                            held.reset();
                            return manager.trim() != 0;
                          }});
  held = manager.get_buffer(60 << 10);
  const Buffer buffer = manager.get_buffer(50'000);
  EXPECT_EQ(buffer.size(), 50'000U);
  EXPECT_EQ(wanted, std::vector<std::size_t>{50'000});
}

TEST_P(ManagerTest, WhatThePressureCallbackGivesBackServesEverySize) {
  Buffer held;
  MemoryManager manager =
      make_manager({.byte_limit = 64 << 10, .pressure_callback = [&held](std::size_t) {
                      const bool gave = static_cast<bool>(held);
                      held.reset();
                      return gave;
                    }});
  held = manager.get_buffer(64 << 10);
  EXPECT_EQ(code_of([&] { manager.get_buffer(1000); }), std::nullopt);
}

TEST_P(ManagerTest, WhatThePressureCallbackGivesBackServesEverySizeUnderACountLimit) {
  Buffer held;
  MemoryManager manager =
      make_manager({.count_limit = 1, .pressure_callback = [&held](std::size_t) {
                      const bool gave = static_cast<bool>(held);
                      held.reset();
                      return gave;
                    }});
  held = manager.get_buffer(64 << 10);
  EXPECT_EQ(code_of([&] { manager.get_buffer(1000); }), std::nullopt);
}

TEST_P(ManagerTest, PressureCallbackIsCalledAtMostEightTimesARequest) {
  for (const bool by_count : {false, true}) {
    int calls = 0;
    MemoryManager manager = make_manager({.byte_limit = by_count ? 0U : 64U << 10,
                                          .count_limit = by_count ? 1U : 0U,
                                          .pressure_callback = [&calls](std::size_t) {
                                            ++calls;
                                            return true;
                                          }});
    const Buffer held = manager.get_buffer(60 << 10);
    EXPECT_EQ(code_of([&] { manager.get_buffer(50'000); }),
              by_count ? ErrorCode::capacity : ErrorCode::out_of_memory);
    EXPECT_GE(calls, 1);
    EXPECT_LE(calls, 8) << (by_count ? "count limit" : "byte limit");
  }
}

TEST_P(ManagerTest, AnErrorOfThePressureCallbackReachesTheCallerAndTheNextCallWorks) {
  MemoryManager manager =
      make_manager({.byte_limit = 64 << 10, .pressure_callback = [](std::size_t) -> bool {
                      throw Error(ErrorCode::stopped, "enough");
                    }});
  Buffer held = manager.get_buffer(64 << 10);
  EXPECT_EQ(code_of([&] { manager.get_buffer(1); }), ErrorCode::stopped);
  held.reset();
  EXPECT_TRUE(manager.get_buffer(64 << 10));
}

class HeldManagerTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldManagerTest);

TEST_P(HeldManagerTest, UnderALimitTheStreamWaitsNotTheHost) {
  MemoryManager manager = make_manager({.byte_limit = 4096, .pressure_callback = {}});
  const Stream first = device_.make_stream();
  const Stream second = device_.make_stream();
  Gate gate(can_hold());
  Buffer buffer = manager.get_buffer(4096, DeviceType::gpu, first);
  gate.hold(first);
  buffer.reset();
  const Buffer reused = manager.get_buffer(4096, DeviceType::gpu, second);  // returns at once
  EXPECT_EQ(manager.stats().stream_waits, 1U);
  EXPECT_EQ(manager.stats().host_waits, 0U);
  // Work on the second stream comes after the first one's.
  CommandBufferPool pool(second, 1);
  CommandBuffer commands = pool.get_buffer();
  commands.launch([](const Stream&) {});
  const Completion done = pool.execute_async(std::move(commands));
  EXPECT_FALSE(done.is_done());
  gate.open();
  done.wait();
}

TEST_P(HeldManagerTest, AboveTheSoftLimitReuseIsPreferredToGrowing) {
  MemoryManager manager = make_manager({.soft_byte_limit = 8192, .pressure_callback = {}});
  const Stream first = device_.make_stream();
  const Stream second = device_.make_stream();
  Gate gate(can_hold());
  Buffer one = manager.get_buffer(4096, DeviceType::gpu, first);
  gate.hold(first);
  one.reset();
  const Buffer two = manager.get_buffer(4096, DeviceType::gpu, second);  // below it: grows
  EXPECT_EQ(manager.stats().stream_waits, 0U);
  EXPECT_EQ(manager.stats().reserved_bytes, 8192U);
  const Buffer three = manager.get_buffer(4096, DeviceType::gpu, second);
  EXPECT_EQ(manager.stats().stream_waits, 1U);
  EXPECT_EQ(manager.stats().reserved_bytes, 8192U);
  const Buffer four = manager.get_buffer(4096, DeviceType::gpu, second);  // nothing to reuse
  EXPECT_EQ(manager.stats().reserved_bytes, 3 * 4096U);
}

TEST_P(HeldManagerTest, CpuMemoryUnderALimitWaitsOnTheHost) {
  MemoryManager manager = make_manager({.byte_limit = 4096, .pressure_callback = {}});
  const Stream stream = device_.make_stream();
  Gate gate(can_hold());
  Buffer buffer = manager.get_buffer(4096, DeviceType::cpu, stream);
  gate.hold(stream);
  CommandBufferPool pool(stream, 1);
  CommandBuffer commands = pool.get_buffer();
  std::atomic<bool> used{false};
  commands.launch([&used](const Stream&) { used = true; });
  const Completion done = pool.execute_async(std::move(commands));
  buffer.reset();
  const std::jthread opener = gate.open_later();
  const Buffer again = manager.get_buffer(4096, DeviceType::cpu, stream);
  EXPECT_TRUE(used);
  EXPECT_EQ(manager.stats().host_waits, 1U);
}

TEST_P(HeldManagerTest, TrimLeavesMemoryThatWorkUses) {
  const Stream stream = device_.make_stream();
  Gate gate(can_hold());
  Buffer buffer = manager_.get_buffer(4096, DeviceType::gpu, stream);
  gate.hold(stream);
  buffer.reset();
  EXPECT_EQ(manager_.trim(), 0U);
  const std::uint64_t cached = manager_.stats().cached_bytes;
  EXPECT_GE(cached, 4096U);
  gate.open();
  stream.synchronize();
  EXPECT_EQ(manager_.trim(), cached);
}

TEST_P(HeldManagerTest, AStreamGivenToReleaseBufferKeepsTheMemory) {
  const Stream user = device_.make_stream();
  Gate gate(can_hold());
  void* pointer = manager_.allocate_buffer(4096);
  gate.hold(user);
  manager_.release_buffer(pointer, user);
  EXPECT_EQ(manager_.trim(), 0U);
  gate.open();
  user.synchronize();
  device_.default_stream().synchronize();
  EXPECT_GE(manager_.trim(), 4096U);
  EXPECT_EQ(manager_.stats().reserved_bytes, 0U);
}

}  // namespace
}  // namespace headrace::test
