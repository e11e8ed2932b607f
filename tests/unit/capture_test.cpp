// SPDX-License-Identifier: Apache-2.0
#include "core/command_pool.h"
#include "core/staging_pool.h"
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

// While the user captures a stream, calls that cannot be part of the capture are refused and change
// nothing.

namespace headrace::core {
namespace {

using test::code_of;
using test::state_of;

class CaptureTest : public testing::Test {
 protected:
  // Every call of the device so far, by kind.
  [[nodiscard]] std::vector<std::uint64_t> calls() const {
    std::vector<std::uint64_t> counts;
    for (int kind = 0; kind <= static_cast<int>(MockCall::host_wait); ++kind) {
      counts.push_back(mock_.count(static_cast<MockCall>(kind)));
    }
    return counts;
  }

  MockDevice mock_{{.random_order = true, .seed = 41}};
  MemoryManager manager_{mock_.device()};
  Stream stream_ = mock_.device().make_stream();
  std::vector<std::int32_t> old_ = std::vector<std::int32_t>(16, 1);
  std::vector<std::int32_t> new_ = std::vector<std::int32_t>(16, 2);
};

TEST_F(CaptureTest, ExecuteAsyncIsRefusedAndTheBufferKeepsItsCommands) {
  CommandBufferPool pool(stream_, 1);
  Tensor tensor(manager_, Shape{16}, DataType::int32);
  tensor.copy_from(old_);
  CommandBuffer buffer = pool.get_buffer();
  buffer.fill(tensor, 2);
  mock_.set_capturing(true);
  const auto before = calls();
  bool told = false;
  EXPECT_EQ(code_of([&] {
              pool.execute_async(std::move(buffer),
                                 [&](const std::exception_ptr&) { told = true; });
            }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(calls(), before);
  ASSERT_TRUE(buffer) << "nothing was changed";
  EXPECT_EQ(pool.stats().submissions, 0U);
  mock_.set_capturing(false);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), old_);
  pool.execute_async(std::move(buffer)).wait();
  pool.cleanup();
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), new_);
  EXPECT_FALSE(told);
}

TEST_F(CaptureTest, ExecuteBatchIsRefusedBeforeAnythingIsRecorded) {
  CommandBufferPool pool(stream_, 1);
  bool told = false;
  std::vector<BatchOperation> operations(1);
  operations[0].data = [](CommandBuffer& buffer) { buffer.launch([](const Stream&) {}); };
  operations[0].completion = [&](const std::exception_ptr&) { told = true; };
  mock_.set_capturing(true);
  const auto before = calls();
  EXPECT_EQ(code_of([&] { pool.execute_batch(operations); }), ErrorCode::invalid_argument);
  EXPECT_EQ(calls(), before);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  mock_.set_capturing(false);
  pool.cleanup();
  EXPECT_FALSE(told) << "a call that throws has submitted nothing to be told of";
}

TEST_F(CaptureTest, ATransferIsRefusedAndChangesNothing) {
  StagingBufferPool pool(manager_, 1, 64);
  Tensor tensor(manager_, Shape{16}, DataType::int32);
  pool.transfer_to_gpu_sync(old_, tensor);
  mock_.set_capturing(true);
  const auto before = calls();
  const StagingPoolStats stats = pool.stats();
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(new_, tensor); }), ErrorCode::invalid_argument);
  EXPECT_EQ(calls(), before);
  EXPECT_EQ(pool.stats().transfers, stats.transfers);
  EXPECT_EQ(pool.stats().available_buffers, stats.available_buffers);
  mock_.set_capturing(false);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), old_);
}

TEST_F(CaptureTest, ATransferOfAFilledBufferIsRefusedAndLeavesItFilled) {
  StagingBufferPool pool(manager_, 1, 64);
  Tensor tensor(manager_, Shape{16}, DataType::int32);
  pool.transfer_to_gpu_sync(old_, tensor);
  StagingBuffer filled = pool.get_buffer();
  std::memcpy(filled.data(), new_.data(), 64);
  mock_.set_capturing(true);
  const auto before = calls();
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(std::move(filled), tensor); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(calls(), before);
  ASSERT_TRUE(filled);
  mock_.set_capturing(false);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), old_);
  pool.transfer_to_gpu(std::move(filled), tensor).wait();
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), new_);
}

// Takes and returns by streams that are not captured go on: a capture elsewhere in the process must
// not stop them, and their own must not wait or mark on a captured stream.
TEST_F(CaptureTest, MemoryGoesOnBeingTakenAndReturned) {
  mock_.set_capturing(true);
  const auto before = calls();
  for (int i = 0; i < 10; ++i) {
    EXPECT_NO_THROW(manager_.get_buffer(1000, DeviceType::gpu, stream_));
  }
  EXPECT_EQ(mock_.count(MockCall::allocate), before[0] + 1);
  EXPECT_EQ(mock_.count(MockCall::signal), before[static_cast<int>(MockCall::signal)]);
  EXPECT_EQ(mock_.count(MockCall::wait_for), before[static_cast<int>(MockCall::wait_for)]);
}

TEST_F(CaptureTest, TrimMarksNoCapturedStream) {
  {
    const Buffer used = manager_.get_buffer(1000, DeviceType::gpu, stream_);
    test::launch(stream_, [] {});
  }
  mock_.set_capturing(true);
  const std::uint64_t before = mock_.count(MockCall::signal);
  EXPECT_EQ(manager_.trim(), 0U) << "the work may not be over";
  EXPECT_EQ(mock_.count(MockCall::signal), before);
  mock_.set_capturing(false);
}

}  // namespace
}  // namespace headrace::core
