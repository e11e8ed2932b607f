// SPDX-License-Identifier: Apache-2.0
#include "core/command_pool.h"
#include "core/staging_pool.h"
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

// What becomes of staging and command buffers when a call of the device fails.

namespace headrace::core {
namespace {

using test::code_of;
using test::comes_to_an_end;
using test::Config;
using test::launch;
using test::on_thread;
using test::state_of;
using test::wait_until;

constexpr std::size_t kBytes = 1024;

class StagingFaultTest : public testing::Test {
 protected:
  [[nodiscard]] Tensor tensor(std::int64_t elements) const {
    return {manager_, Shape{elements}, DataType::uint8};
  }
  static std::vector<std::uint8_t> data(std::size_t count) {
    return std::vector<std::uint8_t>(count, 42);
  }

  MockDevice mock_{{.random_order = true, .seed = 31}};
  MemoryManager manager_{mock_.device()};
  StagingBufferPool pool_{manager_, 1, kBytes};
};

// A buffer that a failed call swallows would leave a pool of one with nothing to wait for.
TEST_F(StagingFaultTest, AFailedSubmissionGivesItsBufferBack) {
  for (const MockCall call : {MockCall::submit, MockCall::copy, MockCall::signal}) {
    SCOPED_TRACE(static_cast<int>(call));
    StagingBufferPool pool(manager_, 1, kBytes);
    const Tensor target = tensor(kBytes);
    pool.transfer_to_gpu_sync(data(kBytes), target);  // The buffer exists.
    mock_.fail(call, 1, ErrorCode::internal);
    EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(data(kBytes), target); }), ErrorCode::internal);
    pool.wait_for_transfer_completion();
    EXPECT_TRUE(pool.try_get_buffer().has_value());
    EXPECT_EQ(pool.stats().in_use_buffers, 0U);
    EXPECT_LE(pool.stats().total_buffers, 1U);
  }
}

TEST_F(StagingFaultTest, AFailedSubmissionOfAFilledBufferDoesNotLoseItForThePool) {
  for (const MockCall call : {MockCall::submit, MockCall::signal}) {
    SCOPED_TRACE(static_cast<int>(call));
    StagingBufferPool pool(manager_, 1, kBytes);
    const Tensor target = tensor(kBytes);
    StagingBuffer filled = pool.get_buffer();
    mock_.fail(call, 1, ErrorCode::internal);
    EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(std::move(filled), target); }),
              ErrorCode::internal);
    filled = StagingBuffer();  // Whether the call kept it or not.
    pool.wait_for_transfer_completion();
    EXPECT_TRUE(pool.try_get_buffer().has_value());
  }
}

TEST_F(StagingFaultTest, AFailureInAMiddlePieceLeavesTargetAndPoolUsable) {
  const Tensor target = tensor(4 * kBytes);
  for (std::uint64_t nth = 1; nth <= 4; ++nth) {
    SCOPED_TRACE(nth);
    StagingBufferPool pool(manager_, 2, kBytes);
    mock_.fail(MockCall::submit, nth, ErrorCode::internal);
    EXPECT_EQ(code_of([&] { pool.transfer_to_gpu(data(4 * kBytes), target); }),
              ErrorCode::internal);
    pool.transfer_to_gpu_sync(data(4 * kBytes), target);
    EXPECT_EQ(target.to_vector<std::uint8_t>(), data(4 * kBytes));
    EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  }
}

TEST_F(StagingFaultTest, ABufferThatCannotBeMadeIsNotCounted) {
  mock_.fail(MockCall::allocate, 1, ErrorCode::internal);
  EXPECT_EQ(code_of([&] { pool_.get_buffer(); }), ErrorCode::internal);
  EXPECT_EQ(pool_.stats().total_buffers, 0U);
  EXPECT_TRUE(pool_.try_get_buffer().has_value());
}

// The one who waits for a buffer that another is making must try for itself when that fails.
TEST(StagingFault, WhoWaitsForABufferThatCannotBeMadeIsWoken) {
  MockDevice mock({.random_order = true, .seed = 32});
  std::optional<StagingBufferPool> pool;
  std::atomic<bool> waited = false;
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = 256, .pressure_callback = [&](std::size_t) {
                                 if (!waited.exchange(true)) {
                                   wait_until([&] { return pool->stats().waits == 1; });
                                 }
                                 return false;
                               }});
  pool.emplace(manager, 1, kBytes);  // No buffer of that size fits under the limit.
  auto first = on_thread([&] { return code_of([&] { pool->get_buffer(); }); });
  wait_until([&] { return pool->stats().total_buffers == 1; });  // It has begun to make one.
  auto second = on_thread([&] { return code_of([&] { pool->get_buffer(); }); });
  EXPECT_EQ(first.get(), ErrorCode::out_of_memory);
  const bool ended = comes_to_an_end(second);
  EXPECT_TRUE(ended) << "it waits for a buffer that nobody has";
  if (!ended) {
    pool->cleanup();  // Wakes it, so that this test can end.
  }
  EXPECT_EQ(second.get(), ErrorCode::out_of_memory);
}

// --- Command buffers

class CommandFaultTest : public testing::Test {
 protected:
  // What the handler of one submission was told, and how often it was told.
  struct Told {
    std::atomic<int> times = 0;
    std::optional<ErrorCode> code;
  };
  static std::function<void(std::exception_ptr)> telling(Told& told) {
    return [&told](const std::exception_ptr& error) {
      told.code = code_of(error);
      ++told.times;
    };
  }

  MockDevice mock_{{.random_order = true, .seed = 33}};
  MemoryManager manager_{mock_.device()};
  Stream stream_ = mock_.device().make_stream();
  CommandBufferPool pool_{stream_, 1};
};

TEST_F(CommandFaultTest, AFailedSubmissionIsToldOnceAndItsBufferIsBack) {
  for (const MockCall call :
       {MockCall::submit, MockCall::launch, MockCall::signal, MockCall::fill}) {
    SCOPED_TRACE(static_cast<int>(call));
    Told told;
    const Tensor tensor(manager_, Shape{16}, DataType::int32, DeviceType::gpu, stream_);
    CommandBuffer buffer = pool_.get_buffer();
    buffer.fill(tensor, 1);
    buffer.launch([](const Stream&) {});
    mock_.fail(call, 1, ErrorCode::internal);
    const Completion completion = pool_.execute_async(std::move(buffer), telling(told));
    EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::internal);
    EXPECT_TRUE(pool_.try_get_buffer().has_value()) << "it is back before the wait returns";
    pool_.cleanup();
    EXPECT_EQ(told.times, 1);
    EXPECT_EQ(told.code, ErrorCode::internal);
    EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::internal) << "every time";
  }
}

TEST_F(CommandFaultTest, AWaitThatFailsBeforeTheSubmissionIsToldToo) {
  const Stream other = mock_.device().make_stream();
  const Tensor tensor(manager_, Shape{16}, DataType::int32, DeviceType::gpu, other);
  launch(other, [] {});
  tensor.record_use(other);
  Told told;
  CommandBuffer buffer = pool_.get_buffer();
  buffer.fill(tensor, 1);
  mock_.fail(MockCall::wait_for, 1, ErrorCode::internal);
  const Completion completion = pool_.execute_async(std::move(buffer), telling(told));
  // The mock may have run the other stream's work while it was asked about it; then none waits.
  const auto code = code_of([&] { completion.wait(); });
  pool_.cleanup();
  EXPECT_EQ(told.times, 1);
  EXPECT_EQ(told.code, code);
}

// Work that was submitted uses its tensors also when the marker behind it could not be recorded.
TEST_F(CommandFaultTest, MemoryOfWorkWithoutAMarkerIsNotReusedBeforeTheWorkIsDone) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  const Stream owner = mock.device().make_stream();
  const Stream other = mock.device().make_stream();
  for (const bool adopted : {false, true}) {
    SCOPED_TRACE(adopted);
    const Stream stream =
        adopted ? mock.device().adopt_stream(owner.native_handle()) : mock.device().make_stream();
    CommandBufferPool pool(stream, 1);
    std::optional<Tensor> tensor(
        std::in_place, manager, Shape{256}, DataType::int32, DeviceType::gpu, other);
    const NativeHandle handle = tensor->native_handle();
    CommandBuffer buffer = pool.get_buffer();
    buffer.fill(*tensor, 1);
    mock.fail(MockCall::signal, 1, ErrorCode::internal);
    pool.execute_async(std::move(buffer));
    tensor.reset();
    const Buffer next = manager.get_buffer(1024, DeviceType::gpu, other);
    EXPECT_NE(next.native_handle(), handle) << "the fill has not run";
    mock.complete_all();
  }
}

TEST_F(CommandFaultTest, WorkThatThrowsEndsItsSubmissionAndTheNextRuns) {
  Told told;
  bool after = false;
  CommandBuffer buffer = pool_.get_buffer();
  buffer.launch([](const Stream&) { throw Error(ErrorCode::io, "the user's own"); });
  buffer.launch([&](const Stream&) { after = true; });
  const Completion completion = pool_.execute_async(std::move(buffer), telling(told));
  EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::io);
  EXPECT_FALSE(after) << "operations behind a failed one are not run";
  CommandBuffer next = pool_.get_buffer();
  next.launch([&](const Stream&) { after = true; });
  pool_.execute_async(std::move(next)).wait();
  EXPECT_TRUE(after);
  pool_.cleanup();
  EXPECT_EQ(told.times, 1);
  EXPECT_EQ(told.code, ErrorCode::io);
}

// --- Tensors

TEST(TensorFault, AFailedOperationKeepsTheOrderOfWhatWasSubmitted) {
  for (const MockCall call : {MockCall::submit, MockCall::copy, MockCall::wait_for}) {
    SCOPED_TRACE(static_cast<int>(call));
    MockDevice mock({.random_order = true, .seed = 34});
    MemoryManager manager(mock.device());
    const Stream a = mock.device().make_stream();
    const Stream b = mock.device().make_stream();
    Tensor source(manager, Shape{64}, DataType::int32, DeviceType::gpu, a);
    Tensor target(manager, Shape{64}, DataType::int32, DeviceType::gpu, b);
    source.copy_from(std::vector<std::int32_t>(64, 5));
    target.copy_from(std::vector<std::int32_t>(64, 6));
    launch(a, [] {});
    source.record_use(a);
    mock.fail(call, 1, ErrorCode::internal);
    const auto code = code_of([&] { target.copy_from(source, b); });
    if (call != MockCall::wait_for) {  // The mock may have run a's work meanwhile; then none waits.
      EXPECT_EQ(code, ErrorCode::internal);
    }
    EXPECT_EQ(target.to_vector<std::int32_t>(), std::vector<std::int32_t>(64, code ? 6 : 5));
    target.copy_from(source, a);
    EXPECT_EQ(target.to_vector<std::int32_t>(), std::vector<std::int32_t>(64, 5));
  }
}

}  // namespace
}  // namespace headrace::core
