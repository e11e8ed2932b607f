// SPDX-License-Identifier: Apache-2.0
#include "core/command_pool.h"
#include "core/staging_pool.h"
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <functional>
#include <future>
#include <optional>
#include <vector>

// A device that is lost: whoever waits is woken with `device_lost`, every later call says so, what
// was taken can be given back, and nothing hangs.

namespace headrace::core {
namespace {

using test::code_of;
using test::comes_to_an_end;
using test::expect_ledger_balances;
using test::launch;
using test::on_thread;
using test::state_of;
using test::wait_until;

class DeviceLostTest : public testing::Test {
 protected:
  // Work that nobody ever runs, on `stream`.
  void keep_busy(const Stream& stream) {
    launch(stream, [] { ADD_FAILURE(); });
  }

  // Runs `call`, which waits for the device, on a thread of its own, loses the device under it, and
  // says how the call ended.
  std::optional<ErrorCode> lost_during(std::function<void()> call) {
    auto ended = on_thread([call = std::move(call)] { return code_of(call); });
    wait_until([&] { return mock_.count(MockCall::host_wait) >= 1; });
    mock_.lose();
    EXPECT_TRUE(comes_to_an_end(ended));
    return ended.get();
  }

  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
  Stream stream_ = mock_.device().make_stream();
};

TEST_F(DeviceLostTest, AStreamSynchronizeIsWoken) {
  keep_busy(stream_);
  EXPECT_EQ(lost_during([&] { stream_.synchronize(); }), ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, ADeviceSynchronizeIsWoken) {
  keep_busy(stream_);
  EXPECT_EQ(lost_during([&] { mock_.device().synchronize(); }), ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, AReaderOfATensorIsWoken) {
  const Tensor tensor(manager_, Shape{16}, DataType::int32);
  keep_busy(mock_.device().default_stream());
  EXPECT_EQ(lost_during([&] { static_cast<void>(tensor.to_vector<std::int32_t>()); }),
            ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, AReaderOfCpuMemoryIsWoken) {
  const Tensor tensor(manager_, Shape{16}, DataType::int32, DeviceType::cpu, stream_);
  keep_busy(stream_);
  tensor.record_use(stream_);
  EXPECT_EQ(lost_during([&] { static_cast<void>(tensor.to_vector<std::int32_t>()); }),
            ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, AWriterOfCpuMemoryIsWoken) {
  Tensor tensor(manager_, Shape{16}, DataType::int32, DeviceType::cpu, stream_);
  keep_busy(stream_);
  tensor.record_use(stream_);
  EXPECT_EQ(lost_during([&] { tensor.copy_from(std::vector<std::int32_t>(16)); }),
            ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, AWaitOnACompletionIsWoken) {
  CommandBufferPool pool(stream_, 1);
  CommandBuffer buffer = pool.get_buffer();
  buffer.launch([](const Stream&) { ADD_FAILURE(); });
  const Completion completion = pool.execute_async(std::move(buffer));
  EXPECT_EQ(lost_during([&] { completion.wait(); }), ErrorCode::device_lost);
  EXPECT_TRUE(completion.is_done());
  EXPECT_EQ(code_of([&] { static_cast<void>(completion.try_wait()); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, ATakerOfCpuMemoryUnderALimitIsWokenAndTheLedgerIsRight) {
  MemoryManager manager(mock_.device(), test::Config{.count_limit = 1});
  {
    const Buffer buffer = manager.get_buffer(1000, DeviceType::cpu, stream_);
    keep_busy(stream_);
  }
  EXPECT_EQ(lost_during([&] { manager.get_buffer(1000, DeviceType::cpu); }),
            ErrorCode::device_lost);
  expect_ledger_balances(manager, mock_);
  EXPECT_EQ(manager.stats().current_buffers, 0U);
}

TEST_F(DeviceLostTest, ATakerInTheLadderIsWoken) {
  MemoryManager manager(mock_.device(), test::Config{.byte_limit = 1024});
  {
    const Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, stream_);
    keep_busy(stream_);
  }
  // What it says depends on where it stood; that it ends and the ledger is right does not.
  EXPECT_NE(lost_during([&] { manager.get_buffer(500); }), std::nullopt);
  expect_ledger_balances(manager, mock_);
}

TEST_F(DeviceLostTest, ATakerOfAStagingBufferIsWoken) {
  StagingBufferPool pool(manager_, 1, 64);
  const Tensor target(manager_, Shape{64}, DataType::uint8);
  pool.transfer_to_gpu(std::vector<std::uint8_t>(64), target);
  EXPECT_EQ(lost_during([&] { pool.get_buffer(); }), ErrorCode::device_lost);
}

// Two wait while a caller holds the only buffer; the caller sends it, one of them goes on to wait
// for the copy, and the device is lost: the other must hear of it too.
TEST_F(DeviceLostTest, EveryTakerOfAStagingBufferIsWoken) {
  StagingBufferPool pool(manager_, 1, 64);
  const Tensor target(manager_, Shape{64}, DataType::uint8);
  StagingBuffer held = pool.get_buffer();
  const auto take = [&] { return code_of([&] { pool.get_buffer(); }); };
  auto first = on_thread(take);
  auto second = on_thread(take);
  wait_until([&] { return pool.stats().waits == 2; });
  pool.transfer_to_gpu(std::move(held), target);
  wait_until([&] { return mock_.count(MockCall::host_wait) >= 1; });
  mock_.lose();
  const bool both = comes_to_an_end(first) && comes_to_an_end(second);
  EXPECT_TRUE(both) << "one waits on for a buffer that nobody will give back";
  if (!both) {
    pool.cleanup();  // Wakes it, so that this test can end.
  }
  // The second may get the buffer, whose copy is over for good.
  EXPECT_TRUE(first.get() == ErrorCode::device_lost || second.get() == ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, AWaitForAllTransfersIsWoken) {
  StagingBufferPool pool(manager_, 1, 64);
  const Tensor target(manager_, Shape{64}, DataType::uint8);
  pool.transfer_to_gpu(std::vector<std::uint8_t>(64), target);
  EXPECT_EQ(lost_during([&] { pool.wait_for_transfer_completion(); }), ErrorCode::device_lost);
}

TEST_F(DeviceLostTest, AStagingCleanupEnds) {
  StagingBufferPool pool(manager_, 1, 64);
  const Tensor target(manager_, Shape{64}, DataType::uint8);
  pool.transfer_to_gpu(std::vector<std::uint8_t>(64), target);
  EXPECT_EQ(lost_during([&] { pool.cleanup(); }), std::nullopt);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

TEST_F(DeviceLostTest, ATakerOfACommandBufferIsWoken) {
  CommandBufferPool pool(stream_, 1);
  CommandBuffer buffer = pool.get_buffer();
  buffer.launch([](const Stream&) { ADD_FAILURE(); });
  pool.execute_async(std::move(buffer));
  bool got = false;
  EXPECT_EQ(lost_during([&] { got = static_cast<bool>(pool.get_buffer()); }), std::nullopt)
      << "the buffer itself is back; the device says that it is lost when it is used";
  EXPECT_TRUE(got);
}

TEST_F(DeviceLostTest, ACommandCleanupEndsAndHandlersAreToldOnce) {
  CommandBufferPool pool(stream_, 4);
  std::atomic<int> told = 0;
  std::atomic<int> told_lost = 0;
  for (int i = 0; i < 3; ++i) {
    CommandBuffer buffer = pool.get_buffer();
    buffer.launch([](const Stream&) { ADD_FAILURE(); });
    pool.execute_async(std::move(buffer), [&](const std::exception_ptr& error) {
      ++told;
      told_lost += code_of(error) == ErrorCode::device_lost ? 1 : 0;
    });
  }
  EXPECT_EQ(lost_during([&] { pool.cleanup(); }), std::nullopt);
  EXPECT_EQ(told, 3);
  EXPECT_EQ(told_lost, 3);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

TEST_F(DeviceLostTest, ABatchOnALostDeviceTellsEveryHandlerThatItIsLost) {
  CommandBufferPool pool(stream_, 1);
  mock_.lose();
  std::atomic<int> told = 0;
  std::vector<BatchOperation> operations(3);
  for (BatchOperation& operation : operations) {
    operation.data = [](CommandBuffer& buffer) { buffer.launch([](const Stream&) {}); };
    operation.completion = [&](const std::exception_ptr& error) {
      told += code_of(error) == ErrorCode::device_lost ? 1 : 0;
    };
  }
  const Completion completion = pool.execute_batch(operations);
  EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::device_lost);
  pool.cleanup();
  EXPECT_EQ(told, 3);
  EXPECT_TRUE(pool.try_get_buffer().has_value());
}

TEST_F(DeviceLostTest, WorkThatHadFinishedBeforeIsNotToldALoss) {
  CommandBufferPool pool(stream_, 1);
  CommandBuffer buffer = pool.get_buffer();
  buffer.launch([](const Stream&) {});
  const Completion completion = pool.execute_async(std::move(buffer));
  mock_.complete_all();
  EXPECT_TRUE(completion.is_done());
  mock_.lose();
  EXPECT_EQ(code_of([&] { completion.wait(); }), std::nullopt);
}

TEST_F(DeviceLostTest, EveryLaterCallSaysSoAndMemoryIsGivenBack) {
  const Tensor source(manager_, Shape{16}, DataType::int32);
  Tensor target(manager_, Shape{16}, DataType::int32);
  std::vector<Buffer> held;
  for (int i = 0; i < 5; ++i) {
    held.push_back(manager_.get_buffer(5000, i % 2 == 0 ? DeviceType::gpu : DeviceType::cpu));
  }
  keep_busy(stream_);
  held[0].record_use(stream_);
  mock_.lose();
  EXPECT_EQ(code_of([&] { target.copy_from(source, stream_); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { static_cast<void>(source.to_vector<std::int32_t>()); }),
            ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { static_cast<void>(source.convert_to(DataType::float32)); }),
            ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { static_cast<void>(mock_.device().make_stream()); }),
            ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { stream_.synchronize(); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(1 << 20); }), ErrorCode::device_lost);
  held.clear();
  expect_ledger_balances(manager_, mock_);
  manager_.trim();
  EXPECT_EQ(manager_.stats().cached_buffers, 0U) << "no work of a lost device uses anything";
  expect_ledger_balances(manager_, mock_);
}

TEST_F(DeviceLostTest, ManagersAndStreamsCanGoAfterwards) {
  std::optional<Stream> stream = mock_.device().make_stream();
  std::optional<MemoryManager> manager(mock_.device());
  {
    const Buffer buffer = manager->get_buffer(1000, DeviceType::gpu, *stream);
    keep_busy(*stream);
  }
  std::optional<Buffer> late = manager->get_buffer(1000, DeviceType::gpu, *stream);
  mock_.lose();
  stream.reset();
  manager.reset();
  late.reset();
  EXPECT_EQ(mock_.live_allocations(), 0U);
}

}  // namespace
}  // namespace headrace::core
