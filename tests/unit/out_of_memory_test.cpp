// SPDX-License-Identifier: Apache-2.0
#include "core/memory_pool.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::code_of;
using test::Config;
using test::expect_ledger_balances;
using test::launch;

constexpr std::size_t kKiB = 1024;

std::string text_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// --- The ladder, rung by rung

TEST(OutOfMemory, CachedMemoryOfOtherSizesIsGivenBackFirst) {
  MockDevice mock({.random_order = true, .seed = 101});
  MemoryManager manager(mock.device(), Config{.byte_limit = 4 * kKiB});
  manager.get_buffer(2 * kKiB).reset();
  manager.get_buffer(kKiB).reset();
  mock.complete_all();
  const Buffer large = manager.get_buffer(4 * kKiB);
  EXPECT_EQ(mock.live_allocations(), 1U);
  EXPECT_EQ(mock.live_bytes(), 4 * kKiB);
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, CachedMemoryInUseIsWaitedForAndGivenBackNext) {
  MockDevice mock({.random_order = true, .seed = 1});
  MemoryManager manager(mock.device(), Config{.byte_limit = 4 * kKiB});
  const Stream stream = mock.device().make_stream();
  std::atomic<bool> ran = false;
  {
    const Buffer used = manager.get_buffer(3 * kKiB, DeviceType::gpu, stream);
    launch(stream, [&] { ran = true; });
  }
  const Buffer large = manager.get_buffer(4 * kKiB);
  EXPECT_TRUE(ran);
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, TheDevicesOwnLimitHasTheSameLadder) {
  MockDevice mock({.random_order = true, .seed = 2, .total_bytes = 4 * kKiB});
  MemoryManager manager(mock.device());
  {
    const Stream stream = mock.device().make_stream();
    const Buffer used = manager.get_buffer(3 * kKiB, DeviceType::gpu, stream);
    launch(stream, [] {});
  }
  EXPECT_NO_THROW(manager.get_buffer(4 * kKiB));
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, MemoryOfAnotherManagerThatWaitsForItsWorkIsReclaimed) {
  MockDevice mock({.random_order = true, .seed = 3, .total_bytes = 4 * kKiB});
  MemoryManager manager(mock.device());
  const Stream stream = mock.device().make_stream();
  {
    MemoryManager other(mock.device());
    const Buffer used = other.get_buffer(4 * kKiB, DeviceType::gpu, stream);
    launch(stream, [] {});
  }
  EXPECT_NO_THROW(manager.get_buffer(4 * kKiB));
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, TakenMemoryIsNeverTakenAway) {
  MockDevice mock({.random_order = true, .seed = 4});
  MemoryManager manager(mock.device(), Config{.byte_limit = 4 * kKiB});
  std::vector<Buffer> held;
  for (const DeviceType type : {DeviceType::gpu, DeviceType::cpu, DeviceType::persistent_gpu}) {
    held.push_back(manager.get_buffer(kKiB, type));
  }
  EXPECT_EQ(code_of([&] { manager.get_buffer(2 * kKiB); }), ErrorCode::out_of_memory);
  EXPECT_EQ(mock.count(MockCall::release), 0U);
  EXPECT_EQ(manager.stats().current_buffers, 3U);
}

TEST(OutOfMemory, TheErrorSaysWhatWasAskedWhatIsLiveAndTheLimit) {
  MockDevice mock({.random_order = true, .seed = 102});
  MemoryManager manager(mock.device(), Config{.name = "weights", .byte_limit = 4 * kKiB});
  const Buffer held = manager.get_buffer(3 * kKiB);
  EXPECT_THAT(text_of([&] { manager.get_buffer(2000, DeviceType::cpu); }),
              testing::AllOf(testing::HasSubstr("2000 bytes of cpu memory"),
                             testing::HasSubstr("limit of 4096 bytes"),
                             testing::HasSubstr("'weights'"),
                             testing::HasSubstr("3072 bytes in 1 buffers are taken")));
}

TEST(OutOfMemory, TheNextCallAfterAFailureWorks) {
  MockDevice mock({.random_order = true, .seed = 103});
  MemoryManager manager(mock.device());
  mock.fail(MockCall::allocate, 1, ErrorCode::out_of_memory);
  mock.fail(MockCall::allocate, 2, ErrorCode::out_of_memory);
  mock.fail(MockCall::allocate, 3, ErrorCode::out_of_memory);
  EXPECT_EQ(code_of([&] { manager.get_buffer(kKiB); }), ErrorCode::out_of_memory);
  expect_ledger_balances(manager, mock);
  EXPECT_NO_THROW(manager.get_buffer(kKiB));
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, WhatGoesBackCountsUntilTheDeviceHasIt) {
  constexpr std::size_t kSize = std::size_t{3} << 20;
  const auto scripted = std::make_shared<test::ScriptedDevice>();
  const Device device =
      core::DeviceAccess::make(core::make_shared_here<core::DeviceState>(scripted));
  MemoryManager manager(device);
  std::vector<std::uint64_t> reserved;
  scripted->on_release = [&] { reserved.push_back(manager.stats().reserved_bytes); };
  manager.get_buffer(kSize).reset();
  device.synchronize();
  EXPECT_EQ(manager.trim(), kSize);
  EXPECT_EQ(reserved, std::vector<std::uint64_t>{kSize});
  EXPECT_EQ(manager.stats().reserved_bytes, 0U);
}

// A thread that grows gives unused segments back first; while it does, another must not find them
// neither cached nor given back.
TEST(OutOfMemory, WhatAnotherThreadGivesBackIsWaitedFor) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  const auto scripted = std::make_shared<test::ScriptedDevice>();
  std::promise<void> begun;
  std::promise<void> may_end;
  int releases = 0;
  scripted->on_release = [&] {
    if (++releases == 1) {
      begun.set_value();
      may_end.get_future().wait();
    }
  };
  const Device device =
      core::DeviceAccess::make(core::make_shared_here<core::DeviceState>(scripted));
  MemoryManager manager(device, Config{.byte_limit = 100 * kMiB});
  const Buffer held = manager.get_buffer(10 * kMiB);
  {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 10; ++i) {
      buffers.push_back(manager.get_buffer(8 * kMiB));
    }
  }
  device.synchronize();
  auto first = test::on_thread([&] { return manager.get_buffer(9 * kMiB); });
  begun.get_future().wait();
  auto second = test::on_thread([&] { return manager.get_buffer(5 * kMiB); });
  // Time for it to fail, should it not wait; it ends only after the first has gone on.
  second.wait_for(std::chrono::milliseconds(100));
  may_end.set_value();
  EXPECT_EQ(first.get().size(), 9 * kMiB);
  EXPECT_EQ(second.get().size(), 5 * kMiB);
}

TEST(OutOfMemory, AnErrorThatIsNotShortageIsNotTriedAgain) {
  MockDevice mock({.random_order = true, .seed = 104});
  MemoryManager manager(mock.device());
  mock.fail(MockCall::allocate, 1, ErrorCode::internal);
  EXPECT_EQ(code_of([&] { manager.get_buffer(kKiB); }), ErrorCode::internal);
  EXPECT_EQ(mock.count(MockCall::allocate), 1U);
  EXPECT_EQ(manager.stats().failures, 1U);
  expect_ledger_balances(manager, mock);
}

// A backend outside the tree may throw anything.
TEST(OutOfMemory, AnExceptionThatIsNoErrorLeavesTheLedgerRight) {
  const auto backend = std::make_shared<test::ScriptedDevice>();
  MemoryManager manager(DeviceAccess::make(std::make_shared<DeviceState>(backend)),
                        Config{.byte_limit = 4 * kKiB});
  backend->on_allocate = [](std::size_t) { throw std::bad_alloc(); };
  EXPECT_ANY_THROW(manager.get_buffer(4 * kKiB));
  EXPECT_EQ(manager.stats().reserved_bytes, 0U);
  backend->on_allocate = nullptr;
  EXPECT_NO_THROW(manager.get_buffer(4 * kKiB));
  EXPECT_EQ(manager.stats().reserved_bytes, 4 * kKiB);
}

// --- The pressure callback

TEST(OutOfMemory, ThePressureCallbackIsToldTheBytesWantedAndMayEndTheRequest) {
  MockDevice mock({.random_order = true, .seed = 105});
  std::vector<std::size_t> wanted;
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = kKiB, .pressure_callback = [&](std::size_t bytes) {
                                 wanted.push_back(bytes);
                                 return false;
                               }});
  EXPECT_EQ(code_of([&] { manager.get_buffer(2000); }), ErrorCode::out_of_memory);
  EXPECT_EQ(wanted, (std::vector<std::size_t>{2000}));
}

TEST(OutOfMemory, ThePressureCallbackIsCalledAtMostEightTimesUnderAByteLimit) {
  MockDevice mock({.random_order = true, .seed = 106});
  int calls = 0;
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = kKiB, .pressure_callback = [&](std::size_t) {
                                 ++calls;
                                 return true;
                               }});
  EXPECT_EQ(code_of([&] { manager.get_buffer(2000); }), ErrorCode::out_of_memory);
  EXPECT_EQ(calls, 8);
}

TEST(OutOfMemory, ThePressureCallbackIsCalledAtMostEightTimesUnderACountLimit) {
  MockDevice mock({.random_order = true, .seed = 107});
  int calls = 0;
  MemoryManager manager(mock.device(),
                        Config{.count_limit = 1, .pressure_callback = [&](std::size_t) {
                                 ++calls;
                                 return true;
                               }});
  const Buffer held = manager.get_buffer(kKiB);
  EXPECT_EQ(code_of([&] { manager.get_buffer(kKiB); }), ErrorCode::capacity);
  EXPECT_EQ(calls, 8);
}

TEST(OutOfMemory, WhatThePressureCallbackGivesBackServesTheSameSize) {
  MockDevice mock({.random_order = true, .seed = 108});
  std::optional<Buffer> victim;
  MemoryManager manager(mock.device(),
                        Config{.count_limit = 1, .pressure_callback = [&](std::size_t) {
                                 const bool had_one = victim.has_value();
                                 victim.reset();
                                 return had_one;
                               }});
  victim = manager.get_buffer(kKiB);
  EXPECT_NO_THROW(manager.get_buffer(kKiB));
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, WhatThePressureCallbackGivesBackServesAnotherSize) {
  MockDevice mock({.random_order = true, .seed = 5});
  std::optional<Buffer> victim;
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = 4 * kKiB, .pressure_callback = [&](std::size_t) {
                                 const bool had_one = victim.has_value();
                                 victim.reset();
                                 return had_one;
                               }});
  victim = manager.get_buffer(2 * kKiB);
  EXPECT_EQ(code_of([&] { manager.get_buffer(4 * kKiB); }), std::nullopt)
      << "the callback gave 2 KiB back, which make room once the cache is given back";
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, WhatThePressureCallbackGivesBackServesAnotherSizeUnderACountLimit) {
  MockDevice mock({.random_order = true, .seed = 6});
  std::optional<Buffer> victim;
  const auto give_back = [&](std::size_t) {
    const bool had_one = victim.has_value();
    victim.reset();
    return had_one;
  };
  MemoryManager manager(mock.device(), Config{.count_limit = 1, .pressure_callback = give_back});
  victim = manager.get_buffer(2 * kKiB);
  EXPECT_EQ(code_of([&] { manager.get_buffer(4 * kKiB); }), std::nullopt);
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, ThePressureCallbackMayCallEveryPartOfTheManager) {
  MockDevice mock({.random_order = true, .seed = 7});
  std::optional<MemoryManager> manager;
  std::optional<Buffer> victim;
  int depth = 0;
  int deepest = 0;
  const auto callback = [&](std::size_t) {
    ++depth;
    deepest = std::max(deepest, depth);
    manager->trim();
    static_cast<void>(manager->stats());
    static_cast<void>(manager->pool_stats());
    const bool had_one = victim.has_value();
    victim.reset();
    if (depth < 3 && !had_one) {
      // Asks for more itself, which calls it again: allowed, and it must end.
      static_cast<void>(code_of([&] { manager->get_buffer(8 * kKiB); }));
    }
    --depth;
    return had_one;
  };
  manager.emplace(mock.device(), Config{.byte_limit = 4 * kKiB, .pressure_callback = callback});
  victim = manager->get_buffer(4 * kKiB);
  EXPECT_NO_THROW(manager->get_buffer(4 * kKiB));
  EXPECT_EQ(code_of([&] { manager->get_buffer(8 * kKiB); }), ErrorCode::out_of_memory);
  EXPECT_EQ(deepest, 3);
  expect_ledger_balances(*manager, mock);
}

TEST(OutOfMemory, AThrowingPressureCallbackEndsTheRequestAndLeavesTheManagerGood) {
  MockDevice mock({.random_order = true, .seed = 109});
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = kKiB, .pressure_callback = [](std::size_t) -> bool {
                                 throw std::runtime_error("no more");
                               }});
  EXPECT_THROW(manager.get_buffer(2 * kKiB), std::runtime_error);
  EXPECT_NO_THROW(manager.get_buffer(kKiB));
  expect_ledger_balances(manager, mock);
}

TEST(OutOfMemory, WhileOneThreadIsInThePressureCallbackOthersGoOn) {
  MockDevice mock({.random_order = true, .seed = 110});
  std::atomic<bool> inside = false;
  std::atomic<bool> go_on = false;
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = 4 * kKiB, .pressure_callback = [&](std::size_t) {
                                 inside = true;
                                 test::wait_until([&] { return go_on.load(); });
                                 return false;
                               }});
  auto short_of_memory =
      test::on_thread([&] { return code_of([&] { manager.get_buffer(8 * kKiB); }); });
  test::wait_until([&] { return inside.load(); });
  EXPECT_NO_THROW(manager.get_buffer(kKiB));
  EXPECT_EQ(manager.stats().failures, 0U);
  go_on = true;
  EXPECT_EQ(short_of_memory.get(), ErrorCode::out_of_memory);
}

// --- Every allocation fails in turn

// A fixed program of takes and returns; what is refused is left out.
void run_program(MemoryManager& manager,
                 const std::vector<Stream>& streams,
                 std::uint64_t seed,
                 int steps) {
  std::mt19937_64 random(seed);
  std::vector<Buffer> held;
  for (int i = 0; i < steps; ++i) {
    const Stream& stream = streams[random() % streams.size()];
    if (held.size() < 6 && random() % 3 != 0) {
      const DeviceType type = random() % 4 == 0 ? DeviceType::cpu : DeviceType::gpu;
      const std::size_t size = 1 + random() % (4 * kKiB);
      const auto code = code_of([&] {
        held.push_back(manager.get_buffer(size, type, stream));
        launch(stream, [] {});
      });
      if (code) {
        EXPECT_EQ(code, ErrorCode::out_of_memory);
      }
    } else if (!held.empty()) {
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
    } else {
      manager.trim();
    }
  }
}

class FaultTest : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Limits, FaultTest, testing::Values(0, 12 * kKiB), [](const auto& each) {
  return each.param == 0 ? "none" : "bytes";
});

TEST_P(FaultTest, AnyAllocationMayFailOnOneThread) {
  std::uint64_t allocations = 1;
  for (std::uint64_t nth = 1; nth <= allocations; ++nth) {
    MockDevice mock({.random_order = true, .seed = nth});
    MemoryManager manager(mock.device(), Config{.byte_limit = GetParam()});
    const std::vector<Stream> streams{mock.device().make_stream(), mock.device().make_stream()};
    mock.fail(MockCall::allocate, nth, ErrorCode::out_of_memory);
    run_program(manager, streams, 1, 200);
    allocations = std::max(allocations, mock.count(MockCall::allocate));
    ASSERT_LE(manager.stats().failures, GetParam() == 0 ? 0U : 200U)
        << "one shortage is overcome by trying again";
    ASSERT_NO_FATAL_FAILURE(expect_ledger_balances(manager, mock));
    ASSERT_EQ(manager.stats().current_buffers, 0U);
    ASSERT_EQ(code_of([&] { manager.get_buffer(kKiB); }), std::nullopt);
    mock.complete_all();
    manager.trim();
    mock.complete_all();
    manager.trim();
    ASSERT_EQ(mock.live_allocations(), 0U);
    ASSERT_EQ(manager.stats().reserved_bytes, 0U);
  }
  EXPECT_GT(allocations, 10U);
}

TEST_P(FaultTest, AnyAllocationMayFailOnSeveralThreadsStress) {
  for (std::uint64_t nth = 1; nth <= 40; ++nth) {
    MockDevice mock({.random_order = true, .seed = nth});
    MemoryManager manager(mock.device(), Config{.byte_limit = GetParam()});
    for (std::uint64_t more = 0; more < 4; ++more) {
      mock.fail(MockCall::allocate, nth + more, ErrorCode::out_of_memory);
    }
    {
      std::vector<std::jthread> threads;
      for (std::uint64_t t = 0; t < 3; ++t) {
        threads.emplace_back(
            [&, t] { run_program(manager, {mock.device().make_stream()}, nth * 10 + t, 100); });
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_ledger_balances(manager, mock));
    ASSERT_EQ(code_of([&] { manager.get_buffer(kKiB); }), std::nullopt);
  }
}

TEST(OutOfMemory, OnSeveralThreadsTheDeviceNeverHoldsMoreThanTheLimitsStress) {
  MockDevice mock({.random_order = true, .seed = 8});
  constexpr std::size_t kBytes = 16 * kKiB;
  constexpr std::size_t kCount = 8;
  MemoryManager manager(mock.device(), Config{.byte_limit = kBytes, .count_limit = kCount});
  std::atomic<std::size_t> most_bytes = 0;
  std::atomic<std::size_t> most_count = 0;
  const auto note = [](std::atomic<std::size_t>& most, std::size_t value) {
    std::size_t seen = most;
    while (seen < value && !most.compare_exchange_weak(seen, value)) {
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937_64 random(t);
        const Stream stream = mock.device().make_stream();
        for (int i = 0; i < 400; ++i) {
          static_cast<void>(code_of([&] {
            const Buffer buffer =
                manager.get_buffer(1 + random() % (3 * kKiB), DeviceType::gpu, stream);
            launch(stream, [] {});
            note(most_bytes, mock.live_bytes());
            const MemoryStats stats = manager.stats();
            note(most_count, stats.current_buffers + stats.cached_buffers);
          }));
        }
      });
    }
  }
  EXPECT_LE(most_bytes, kBytes);
  EXPECT_LE(most_count, kCount);
  EXPECT_GT(most_count, 1U);
  expect_ledger_balances(manager, mock);
}

}  // namespace
}  // namespace headrace::core
