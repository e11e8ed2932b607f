// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <cstring>
#include <set>

namespace headrace::test {
namespace {

class StagingTest : public DeviceTest {
 protected:
  [[nodiscard]] Tensor bytes(std::int64_t count) const {
    return Tensor(manager_, {count}, DataType::uint8);
  }
};
HEADRACE_ON_EVERY_DEVICE(StagingTest);

std::vector<std::uint8_t> pattern(std::size_t count, unsigned seed = 0) {
  std::vector<std::uint8_t> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<std::uint8_t>((i + seed) * 2654435761U >> 13);
  }
  return values;
}

TEST_P(StagingTest, APoolThatWasMovedFromSaysSo) {
  StagingBufferPool pool(manager_, 1);
  const StagingBufferPool moved = std::move(pool);
  const Tensor tensor(manager_, {1}, DataType::float32);
  EXPECT_EQ(code_of([&] { pool.get_buffer(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.try_get_buffer(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(std::vector{1.0F}, tensor); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(StagingBuffer(), tensor); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.wait_for_transfer_completion(); }), ErrorCode::invalid_argument);
  EXPECT_THAT(text_of([&] { static_cast<void>(pool.stats()); }),
              testing::HasSubstr("This StagingBufferPool was moved from."));
  pool.cleanup();
  pool.return_buffer({});
}

TEST_P(StagingTest, TransfersOfEverySizeArrive) {
  StagingBufferPool pool(manager_, 2, 1000);
  for (const std::size_t size : {1, 7, 999, 1000, 1001, 1999, 2000, 2001, 10'000, 12'345}) {
    const Tensor target = bytes(static_cast<std::int64_t>(size));
    const std::vector<std::uint8_t> values = pattern(size, static_cast<unsigned>(size));
    pool.transfer_to_gpu(values, target).wait();
    EXPECT_EQ(target.to_vector<std::uint8_t>(), values) << size;
  }
}

TEST_P(StagingTest, TransferOverFourMebibytes) {
  StagingBufferPool pool(manager_, 2);  // buffers of 4 MiB
  const Tensor target = bytes((9 << 20) + 3);
  const std::vector<std::uint8_t> values = pattern((9 << 20) + 3);
  const Completion completion = pool.transfer_to_gpu(values, target);
  completion.wait();
  EXPECT_EQ(target.to_vector<std::uint8_t>(), values);
  EXPECT_EQ(pool.stats().transferred_bytes, values.size());
  EXPECT_EQ(pool.stats().transfers, 1U);
}

TEST_P(StagingTest, SyncTransferIsThereWhenItReturns) {
  StagingBufferPool pool(manager_, 1, 64);
  const Tensor target = bytes(1000);
  pool.transfer_to_gpu_sync(pattern(1000), target);
  EXPECT_EQ(pool.stats().available_buffers, 1U);  // nothing is in flight
  EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(1000));
}

TEST_P(StagingTest, EveryElementTypeAndRange) {
  StagingBufferPool pool(manager_, 1, 10);  // does not divide the elements
  const auto check = [&]<class T>(std::vector<T> values) {
    const Tensor target(manager_, {static_cast<std::int64_t>(values.size())}, data_type_of<T>);
    pool.transfer_to_gpu_sync(values, target);
    EXPECT_EQ(target.to_vector<T>(), values) << to_string(data_type_of<T>);
  };
  check(sequence<float>(100));
  check(sequence<double>(100));
  check(sequence<std::int8_t>(100));
  check(sequence<std::int64_t>(100));
  check(std::vector<float16>{float16(1), float16(2), float16(3)});
  check(std::vector<float8_e5m2>{float8_e5m2(1), float8_e5m2(2)});
  const Tensor flags(manager_, {2}, DataType::boolean);
  pool.transfer_to_gpu_sync(std::array{true, false}, flags);
  EXPECT_EQ(flags.convert_to(DataType::int32).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{1, 0}));
}

TEST_P(StagingTest, TheSourceMayBeOverwrittenRightAfterTheCall) {
  for_each_order([&] {
    StagingBufferPool pool(manager_, 3, 1000);
    const Tensor target = bytes(2500);
    std::vector<std::uint8_t> values = pattern(2500);
    const Completion completion = pool.transfer_to_gpu(values, target);
    std::ranges::fill(values, 0);
    completion.wait();
    EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(2500));
  });
}

TEST_P(StagingTest, OfNothingIsDoneAtOnce) {
  StagingBufferPool pool(manager_, 1, 100);
  const StagingBuffer all_there_is = pool.get_buffer();
  const Tensor target(manager_, {0, 3}, DataType::float32);
  EXPECT_TRUE(pool.transfer_to_gpu(std::vector<float>(), target).is_done());
  pool.transfer_to_gpu_sync(std::vector<float>(), target);
}

TEST_P(StagingTest, AFilledBufferOfNothingGoesBack) {
  StagingBufferPool pool(manager_, 1, 100);
  const Tensor target(manager_, {0}, DataType::float32);
  EXPECT_TRUE(pool.transfer_to_gpu(pool.get_buffer(), target).is_done());
  EXPECT_EQ(pool.stats().available_buffers, 1U);
}

TEST_P(StagingTest, AFilledBufferIsTransferredWithoutAHostCopy) {
  StagingBufferPool pool(manager_, 2, 1000);
  StagingBuffer filled = pool.get_buffer();
  ASSERT_EQ(filled.size(), 1000U);
  ASSERT_EQ(filled.bytes().data(), filled.data());
  const std::vector<std::uint8_t> values = pattern(700);
  std::memcpy(filled.data(), values.data(), 700);
  const Tensor target = bytes(700);
  const Completion completion = pool.transfer_to_gpu(std::move(filled), target);
  EXPECT_FALSE(filled);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(filled.data(), nullptr);
  EXPECT_EQ(filled.size(), 0U);
  completion.wait();
  EXPECT_EQ(target.to_vector<std::uint8_t>(), values);
  EXPECT_EQ(pool.stats().transferred_bytes, 700U);
  EXPECT_EQ(pool.stats().available_buffers, 1U);
}

TEST_P(StagingTest, IntoASliceLeavesTheRestAlone) {
  StagingBufferPool pool(manager_, 2, 7);
  const Tensor target = tensor_of(std::vector<std::uint8_t>(100, 1));
  pool.transfer_to_gpu_sync(std::vector<std::uint8_t>(50, 2), target.slice(13, 63));
  std::vector<std::uint8_t> expected(100, 1);
  std::fill_n(expected.begin() + 13, 50, 2);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), expected);
}

TEST_P(StagingTest, AWrongTypeCountOrDeviceIsRefusedAndNothingIsCopied) {
  StagingBufferPool pool(manager_, 2, 1000);
  const Tensor target = tensor_of(sequence<float>(10));
  const MockDevice other;
  const Tensor elsewhere(MemoryManager(other.device()), {10}, DataType::float32);
  const auto refused = [&](const auto& source, const Tensor& to) {
    return code_of([&] { pool.transfer_to_gpu(source, to); });
  };
  EXPECT_EQ(refused(sequence<float>(9), target), ErrorCode::invalid_argument);
  EXPECT_EQ(refused(sequence<float>(11), target), ErrorCode::invalid_argument);
  EXPECT_EQ(refused(sequence<std::int32_t>(10), target), ErrorCode::invalid_argument);
  EXPECT_EQ(refused(sequence<double>(5), target), ErrorCode::invalid_argument);
  EXPECT_EQ(refused(sequence<float>(10), elsewhere), ErrorCode::invalid_argument);
  EXPECT_EQ(refused(std::vector<float>(), Tensor()), ErrorCode::invalid_argument);
  EXPECT_EQ(pool.stats().transfers, 0U);
  EXPECT_EQ(pool.stats().total_buffers, 0U);
  EXPECT_EQ(target.to_vector<float>(), sequence<float>(10));
}

TEST_P(StagingTest, AFilledBufferOfAnotherPoolOrTooSmallIsRefusedAndUnchanged) {
  StagingBufferPool pool(manager_, 2, 1000);
  StagingBufferPool strangers(manager_, 1, 1000);
  const Tensor target = tensor_of(std::vector<std::uint8_t>(900, 5));
  const Tensor large = bytes(1001);
  const MockDevice other;
  const Tensor elsewhere(MemoryManager(other.device()), {10}, DataType::uint8);

  StagingBuffer stranger = strangers.get_buffer();
  StagingBuffer mine = pool.get_buffer();
  std::memset(mine.data(), 7, 1000);
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(std::move(stranger), target); }),
            ErrorCode::invalid_argument);
  EXPECT_TRUE(stranger);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(std::move(mine), large); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(std::move(mine), elsewhere); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(std::move(mine), Tensor()); }),
            ErrorCode::invalid_argument);
  ASSERT_TRUE(mine);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(mine.bytes()[999], std::byte{7});
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(StagingBuffer(), target); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(pool.stats().transfers, 0U);
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(900, 5));
}

TEST_P(StagingTest, RefusesNoManagerNoBuffersAndNoBytes) {
  EXPECT_EQ(code_of([&] { const StagingBufferPool pool(MemoryManager(), 1); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { const StagingBufferPool pool(manager_, 0); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { const StagingBufferPool pool(manager_, 1, 0); }),
            ErrorCode::invalid_argument);
}

TEST_P(StagingTest, ExhaustedGivesNulloptAndAReturnGivesAgain) {
  StagingBufferPool pool(manager_, 2, 100);
  StagingBuffer first = pool.get_buffer();
  std::optional<StagingBuffer> second = pool.try_get_buffer();
  ASSERT_TRUE(second);
  EXPECT_NE(first.data(), second->data());
  EXPECT_FALSE(pool.try_get_buffer());
  EXPECT_EQ(pool.stats().in_use_buffers, 2U);
  pool.return_buffer(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(pool.stats().available_buffers, 1U);
  EXPECT_TRUE(pool.try_get_buffer());
  pool.return_buffer(StagingBuffer());
  EXPECT_EQ(pool.stats().total_buffers, 2U);
}

TEST_P(StagingTest, GetWaitsUntilAHeldBufferIsReturned) {
  StagingBufferPool pool(manager_, 1, 100);
  StagingBuffer held = pool.get_buffer();
  void* memory = held.data();
  std::atomic<bool> returned{false};
  std::jthread returner([&] {
    while (pool.stats().waits == 0) {
      std::this_thread::yield();
    }
    returned = true;
    pool.return_buffer(std::move(held));
  });
  const StagingBuffer mine = pool.get_buffer();
  EXPECT_TRUE(returned);
  EXPECT_EQ(mine.data(), memory);
  EXPECT_EQ(pool.stats().waits, 1U);
}

TEST_P(StagingTest, StatsCountBuffersAndBytes) {
  StagingBufferPool pool(manager_, 3, 256);
  StagingPoolStats stats = pool.stats();
  EXPECT_EQ(stats.total_buffers, 0U);
  EXPECT_EQ(stats.buffer_size, 256U);
  EXPECT_EQ(stats.max_buffers, 3U);
  pool.transfer_to_gpu_sync(pattern(300), bytes(300));
  pool.transfer_to_gpu_sync(pattern(100), bytes(100));
  const StagingBuffer held = pool.get_buffer();
  stats = pool.stats();
  EXPECT_EQ(stats.transfers, 2U);
  EXPECT_EQ(stats.transferred_bytes, 400U);
  EXPECT_EQ(stats.in_use_buffers, 1U);
  EXPECT_EQ(stats.available_buffers + 1, stats.total_buffers);
  EXPECT_LE(stats.total_buffers, 3U);
}

TEST_P(StagingTest, WaitForTransferCompletionWaitsForAll) {
  for_each_order([&] {
    StagingBufferPool pool(manager_, 4, 100);
    std::vector<Completion> transfers;
    const std::vector<Tensor> targets{bytes(350), bytes(80), bytes(1000)};
    for (const Tensor& target : targets) {
      transfers.push_back(pool.transfer_to_gpu(pattern(target.size_bytes()), target));
    }
    pool.wait_for_transfer_completion();
    for (const Completion& transfer : transfers) {
      EXPECT_TRUE(transfer.is_done());
    }
    EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  });
}

TEST_P(StagingTest, CleanupWaitsGivesTheMemoryBackAndThePoolStaysUsable) {
  StagingBufferPool pool(manager_, 4, 100);
  const Tensor target = bytes(350);
  const Completion transfer = pool.transfer_to_gpu(pattern(350), target);
  const StagingBuffer held = pool.get_buffer();
  pool.cleanup();
  EXPECT_TRUE(transfer.is_done());
  EXPECT_EQ(pool.stats().total_buffers, 1U);
  EXPECT_EQ(pool.stats().available_buffers, 0U);
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  pool.transfer_to_gpu_sync(pattern(350, 9), target);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(350, 9));
}

TEST_P(StagingTest, DestroyedWithTransfersInFlightFinishesThem) {
  for_each_order([&] {
    const Tensor target = bytes(350);
    Completion transfer;
    {
      StagingBufferPool pool(manager_, 4, 100);
      transfer = pool.transfer_to_gpu(pattern(350), target);
    }
    EXPECT_TRUE(transfer.is_done());
    EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(350));
  });
}

TEST_P(StagingTest, ABufferOutlivesItsPool) {
  StagingBuffer buffer;
  {
    StagingBufferPool pool(manager_, 1, 100);
    buffer = pool.get_buffer();
  }
  std::memset(buffer.data(), 1, 100);
  EXPECT_EQ(buffer.bytes()[99], std::byte{1});
  buffer = {};
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
}

TEST_P(StagingTest, MovedAndAssignedBuffersGoBackOnce) {
  StagingBufferPool pool(manager_, 2, 100);
  StagingBuffer first = pool.get_buffer();
  StagingBuffer second = std::move(first);
  first = pool.get_buffer();
  EXPECT_EQ(pool.stats().in_use_buffers, 2U);
  second = std::move(first);
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  EXPECT_EQ(pool.stats().available_buffers, 1U);
}

TEST_P(StagingTest, AReleasedTargetsMemoryIsKeptUntilTheCopyIsDone) {
  for_each_order([&] {
    StagingBufferPool pool(manager_, 4, 1000);
    const Stream other = device_.make_stream();
    const Tensor source = tensor_of(std::vector<std::uint8_t>(4000, 77));
    std::vector<Tensor> next;
    for (int i = 0; i < 3; ++i) {
      Tensor target = bytes(4000);
      pool.transfer_to_gpu(pattern(4000), target);
      target.release();
      next.emplace_back(manager_, Shape{4000}, DataType::uint8, DeviceType::gpu, other);
      next.back().copy_from(source, other);
    }
    pool.wait_for_transfer_completion();
    for (const Tensor& tensor : next) {
      EXPECT_EQ(tensor.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(4000, 77));
    }
  });
}

TEST_P(StagingTest, StagingBufferIsNotHandedOutBeforeItsCopyCompleted) {
  for_each_order([&] {
    StagingBufferPool pool(manager_, 2, 1000);
    std::vector<Tensor> targets;
    for (unsigned i = 0; i < 8; ++i) {
      StagingBuffer buffer = pool.get_buffer();  // waits for a copy
      const std::vector<std::uint8_t> values = pattern(1000, i);
      std::memcpy(buffer.data(), values.data(), 1000);
      targets.push_back(bytes(1000));
      pool.transfer_to_gpu(std::move(buffer), targets.back());
    }
    for (unsigned i = 0; i < 8; ++i) {
      EXPECT_EQ(targets[i].to_vector<std::uint8_t>(), pattern(1000, i)) << i;
    }
  });
}

TEST_P(StagingTest, ManyThreadsShareFewBuffersStress) {
  StagingBufferPool pool(manager_, 2, 500);
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 40; ++i) {
        const std::size_t size = 1 + (t * 977 + i * 331) % 2300;
        const Tensor target = bytes(static_cast<std::int64_t>(size));
        const std::vector<std::uint8_t> values = pattern(size, t * 100 + i);
        if (i % 4 == 0 && size <= 500) {
          StagingBuffer filled = pool.get_buffer();
          std::memcpy(filled.data(), values.data(), size);
          pool.transfer_to_gpu(std::move(filled), target);
        } else {
          pool.transfer_to_gpu(values, target);
        }
        wrong += target.to_vector<std::uint8_t>() != values;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pool.stats().transfers, 160U);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  EXPECT_LE(pool.stats().total_buffers, 2U);
}

// The one that got no memory must not leave the others waiting for a buffer that never came to be.
TEST_P(StagingTest, WaitersGoOnWhenABufferCouldNotBeMade) {
  Event others_wait;
  std::atomic<int> calls{0};
  const MemoryManager manager =
      make_manager({.byte_limit = 256, .pressure_callback = [&](std::size_t) {
                      if (calls++ == 0) {
                        others_wait.wait();
                      }
                      return false;
                    }});
  const Buffer all = make_manager().get_buffer(1);
  MemoryManager full = manager;
  Buffer taken = full.get_buffer(256, DeviceType::cpu);
  StagingBufferPool pool(manager, 1, 256);
  std::jthread unlucky(
      [&] { EXPECT_EQ(code_of([&] { pool.get_buffer(); }), ErrorCode::out_of_memory); });
  std::jthread waiter([&] {
    while (calls == 0) {
      std::this_thread::yield();
    }
    EXPECT_EQ(code_of([&] { pool.get_buffer(); }), ErrorCode::out_of_memory);
  });
  while (pool.stats().waits == 0) {
    std::this_thread::yield();
  }
  others_wait.set();
  unlucky.join();
  waiter.join();  // would never return
}

class HeldStagingTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldStagingTest);

TEST_P(HeldStagingTest, TheCopyIsNotWaitedForAndTheBufferIsNotFreeBeforeIt) {
  StagingBufferPool pool(manager_, 1, 1000);
  const Stream stream = device_.make_stream();
  const Tensor target = tensor_of(std::vector<std::uint8_t>(1000, 1));
  Gate gate(can_hold());
  gate.hold(stream);
  target.record_use(stream);  // so the copy cannot run
  const Completion transfer = pool.transfer_to_gpu(pattern(1000), target);
  EXPECT_FALSE(transfer.is_done());
  EXPECT_FALSE(pool.try_get_buffer());
  EXPECT_EQ(pool.stats().available_buffers, 0U);
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  gate.open();
  transfer.wait();
  EXPECT_TRUE(pool.try_get_buffer());
  EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(1000));
}

TEST_P(HeldStagingTest, GetWaitsForACopyInFlight) {
  StagingBufferPool pool(manager_, 1, 1000);
  const Stream stream = device_.make_stream();
  const Tensor target = tensor_of(std::vector<std::uint8_t>(1000, 1));
  Gate gate(can_hold());
  gate.hold(stream);
  target.record_use(stream);
  const Completion transfer = pool.transfer_to_gpu(pattern(1000), target);
  const std::jthread opener = gate.open_later();
  const StagingBuffer buffer = pool.get_buffer();
  EXPECT_TRUE(transfer.is_done());
  EXPECT_EQ(pool.stats().waits, 1U);
}

TEST_P(HeldStagingTest, TransfersGoInTheOrderOfTheCalls) {
  StagingBufferPool pool(manager_, 4, 1000);
  const Stream stream = device_.make_stream();
  const Tensor target = tensor_of(std::vector<std::uint8_t>(1000, 1));
  Gate gate(can_hold());
  gate.hold(stream);
  target.record_use(stream);
  for (unsigned i = 0; i < 4; ++i) {
    pool.transfer_to_gpu(pattern(1000, i), target);
  }
  gate.open();
  EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(1000, 3));
}

// Faults that only a MockDevice can be told to have.
void check_that_a_failure_loses_no_buffer(MockCall call, bool is_filled) {
  MockDeviceConfig config;
  config.random_order = true;
  MockDevice mock(config);
  const MemoryManager manager(mock.device());
  StagingBufferPool pool(manager, 1, 100);
  const Tensor target(manager, {100}, DataType::uint8);
  StagingBuffer filled = is_filled ? pool.get_buffer() : StagingBuffer();
  mock.fail(call, 1);
  EXPECT_EQ(code_of([&] {
              is_filled ? pool.transfer_to_gpu(std::move(filled), target)
                        : pool.transfer_to_gpu(pattern(100), target);
            }),
            ErrorCode::internal);
  filled = {};
  pool.wait_for_transfer_completion();
  EXPECT_EQ(pool.stats().available_buffers, pool.stats().total_buffers);
  ASSERT_TRUE(pool.try_get_buffer());
  pool.transfer_to_gpu_sync(pattern(100, 5), target);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), pattern(100, 5));
}

TEST(StagingFaultTest, ASubmissionThatFailedLosesNoBuffer) {
  check_that_a_failure_loses_no_buffer(MockCall::submit, false);
  check_that_a_failure_loses_no_buffer(MockCall::submit, true);
}

TEST(StagingFaultTest, AMarkerThatFailedLosesNoBuffer) {
  check_that_a_failure_loses_no_buffer(MockCall::signal, false);
  check_that_a_failure_loses_no_buffer(MockCall::signal, true);
}

TEST(StagingFaultTest, AnAllocationThatFailedLosesNoBuffer) {
  MockDeviceConfig config;
  config.random_order = true;
  MockDevice mock(config);
  const MemoryManager manager(mock.device());
  StagingBufferPool pool(manager, 1, 100);
  mock.fail(MockCall::allocate, 1);
  EXPECT_EQ(code_of([&] { pool.get_buffer(); }), ErrorCode::internal);
  EXPECT_EQ(pool.stats().total_buffers, 0U);
  EXPECT_TRUE(pool.try_get_buffer());
}

}  // namespace
}  // namespace headrace::test
