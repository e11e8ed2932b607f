// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <mutex>
#include <set>

namespace headrace::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BatchTest : public DeviceTest {
 protected:
  [[nodiscard]] std::size_t submissions() const {
    return mock_ ? mock_->count(MockCall::submit) : outside::submissions();
  }
};
HEADRACE_ON_EVERY_DEVICE(BatchTest);

TEST_P(BatchTest, ExecuteBatchReallyExecutes) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const Tensor a(manager_, {100}, DataType::int32);
  const Tensor b(manager_, {100}, DataType::int32);
  const Tensor c(manager_, {100}, DataType::int64);
  std::mutex mutex;
  std::vector<std::string> told;
  const auto tell = [&](const std::string& name) {
    return [&, name](const std::exception_ptr& error) {
      const std::scoped_lock lock(mutex);
      told.push_back(name + text_of(error));
    };
  };
  const std::array operations{
      BatchOperation{"one", [&](CommandBuffer& buffer) { buffer.fill(a, 5); }, tell("one")},
      BatchOperation{"two", [&](CommandBuffer& buffer) { buffer.copy(a, b); }, tell("two")},
      BatchOperation{"three", [&](CommandBuffer& buffer) { buffer.convert(b, c); }, {}},
      BatchOperation{"four", {}, tell("four")},
  };
  const std::size_t before = submissions();
  const Completion completion = pool.execute_batch(operations);
  completion.wait();
  pool.cleanup();
  EXPECT_EQ(c.to_vector<std::int64_t>(), std::vector<std::int64_t>(100, 5));
  EXPECT_THAT(told, ElementsAre("one", "two", "four"));
  EXPECT_EQ(pool.stats().submissions, 1U);
  if (mock_ || GetParam() == "outside") {
    // The read back of c may be one more.
    EXPECT_LE(submissions() - before, 2U);
    EXPECT_GE(submissions() - before, 1U);
  }
}

TEST_P(BatchTest, IsOneSubmissionAndOneCommandBuffer) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const Tensor tensor(manager_, {100}, DataType::int32);
  std::vector<BatchOperation> operations;
  std::set<int> ids;
  for (int i = 0; i < 64; ++i) {
    operations.push_back({"step",
                          [&, i](CommandBuffer& buffer) {
                            ids.insert(buffer.id());
                            buffer.fill(tensor, i);
                          },
                          {}});
  }
  const std::size_t before = submissions();
  pool.execute_batch(operations).wait();
  if (mock_ || GetParam() == "outside") {
    EXPECT_EQ(submissions() - before, 1U);
  }
  EXPECT_EQ(ids, std::set<int>{1});
  EXPECT_EQ(pool.stats().submissions, 1U);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), std::vector<std::int32_t>(100, 63));
}

TEST_P(BatchTest, WithoutOperationsIsRefused) {
  CommandBufferPool pool(device_.make_stream(), 1);
  EXPECT_EQ(code_of([&] { pool.execute_batch({}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

TEST_P(BatchTest, RecordingThatThrowsSubmitsNothingAndTellsEveryone) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const Tensor tensor = tensor_of(sequence<float>(10));
  std::mutex mutex;
  std::vector<std::string> told;
  const auto tell = [&](const std::exception_ptr& error) {
    const std::scoped_lock lock(mutex);
    told.push_back(text_of(error));
  };
  bool later_was_recorded = false;
  const std::array operations{
      BatchOperation{"fill", [&](CommandBuffer& buffer) { buffer.fill(tensor, 5); }, tell},
      BatchOperation{"bad", [](CommandBuffer&) { throw std::runtime_error("no"); }, tell},
      BatchOperation{"later", [&](CommandBuffer&) { later_was_recorded = true; }, tell},
  };
  const Completion completion = pool.execute_batch(operations);
  EXPECT_THROW(completion.wait(), std::runtime_error);
  EXPECT_THROW(completion.wait(), std::runtime_error);
  EXPECT_TRUE(completion.is_done());
  pool.cleanup();
  EXPECT_THAT(told, ElementsAre("no", "no", "no"));
  EXPECT_FALSE(later_was_recorded);
  EXPECT_EQ(pool.stats().submissions, 0U);
  EXPECT_EQ(tensor.to_vector<float>(), sequence<float>(10));
  const std::array good{
      BatchOperation{"fill", [&](CommandBuffer& buffer) { buffer.fill(tensor, 5); }, {}}};
  pool.execute_batch(good).wait();
  EXPECT_EQ(tensor.to_vector<float>(), std::vector<float>(10, 5));
}

TEST_P(BatchTest, ALaunchThatThrowsIsEveryOperationsError) {
  CommandBufferPool pool(device_.make_stream(), 1);
  bool ran = false;
  std::mutex mutex;
  std::vector<std::string> told;
  const auto tell = [&](const std::exception_ptr& error) {
    const std::scoped_lock lock(mutex);
    told.push_back(text_of(error));
  };
  const std::array operations{
      BatchOperation{"ok", [](CommandBuffer& b) { b.launch([](const Stream&) {}); }, tell},
      BatchOperation{"bad",
                     [](CommandBuffer& b) {
                       b.launch([](const Stream&) { throw std::runtime_error("kernel"); });
                     },
                     tell},
      BatchOperation{"never",
                     [&](CommandBuffer& b) { b.launch([&ran](const Stream&) { ran = true; }); },
                     tell},
  };
  const Completion completion = pool.execute_batch(operations);
  EXPECT_THROW(completion.wait(), std::runtime_error);
  pool.cleanup();
  EXPECT_THAT(told, ElementsAre("kernel", "kernel", "kernel"));
  EXPECT_FALSE(ran);
}

TEST_P(BatchTest, AnOperationThatKeepsTheCommandBufferIsAnError) {
  CommandBufferPool pool(device_.make_stream(), 1);
  CommandBuffer stolen;
  const std::array operations{
      BatchOperation{"thief", [&](CommandBuffer& buffer) { stolen = std::move(buffer); }, {}}};
  EXPECT_EQ(code_of([&] { pool.execute_batch(operations).wait(); }), ErrorCode::invalid_argument);
  EXPECT_TRUE(stolen);
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  stolen = {};
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  EXPECT_EQ(pool.stats().available_buffers, 1U);
}

TEST_P(BatchTest, AnOperationThatSwapsTheCommandBufferIsAnErrorAndMixesNoPools) {
  CommandBufferPool pool(device_.make_stream(), 1);
  CommandBufferPool other(device_.make_stream(), 1);
  const std::array operations{
      BatchOperation{"swap", [&](CommandBuffer& buffer) { buffer = other.get_buffer(); }, {}}};
  EXPECT_EQ(code_of([&] { pool.execute_batch(operations).wait(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(pool.stats().total_buffers, 1U);
  EXPECT_EQ(pool.stats().available_buffers, 1U);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
  EXPECT_EQ(other.stats().available_buffers, 1U);
  const CommandBuffer mine = pool.get_buffer();
  EXPECT_FALSE(pool.try_get_buffer());
}

TEST_P(BatchTest, WithAllBuffersHeldThrowsCapacity) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const CommandBuffer held = pool.get_buffer();
  const std::array operations{BatchOperation{"x", [](CommandBuffer&) {}, {}}};
  EXPECT_EQ(code_of([&] { pool.execute_batch(operations); }), ErrorCode::capacity);
}

TEST_P(BatchTest, ABufferThatABatchHoldsIsWaitedFor) {
  CommandBufferPool pool(device_.make_stream(), 1);
  Event recording;
  Event go_on;
  std::thread other([&] {
    const std::array operations{BatchOperation{"slow",
                                               [&](CommandBuffer&) {
                                                 recording.set();
                                                 go_on.wait();
                                               },
                                               {}}};
    pool.execute_batch(operations).wait();
  });
  recording.wait();
  auto taken = std::async(std::launch::async, [&pool] { return pool.get_buffer().id(); });
  // Where it would throw instead of waiting, it has most often done so by then.
  static_cast<void>(taken.wait_for(std::chrono::milliseconds(20)));
  go_on.set();
  EXPECT_EQ(taken.get(), 1);
  other.join();
}

TEST_P(BatchTest, AnOperationThatAsksForTheBuffersThatItKeepsIsTold) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const std::array operations{
      BatchOperation{"greedy", [&](CommandBuffer&) { pool.get_buffer(); }, {}}};
  EXPECT_EQ(code_of([&] { pool.execute_batch(operations).wait(); }), ErrorCode::capacity);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

TEST_P(BatchTest, ManyThreadsShareFewBuffers) {
  CommandBufferPool pool(device_.make_stream(), 1);
  std::atomic<int> ran{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      const std::array operations{BatchOperation{
          "count",
          [&](CommandBuffer& buffer) { buffer.launch([&ran](const Stream&) { ++ran; }); },
          {}}};
      for (int round = 0; round < 100; ++round) {
        EXPECT_FALSE(error_of([&] { pool.execute_batch(operations).wait(); }));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(ran, 400);
}

TEST_P(BatchTest, BatchesFollowOneAnother) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 2);
    std::vector<int> order;
    for (int i = 0; i < 10; ++i) {
      const auto push = [&order](int value) {
        return [&order, value](CommandBuffer& buffer) {
          buffer.launch([&order, value](const Stream&) { order.push_back(value); });
        };
      };
      const std::array operations{BatchOperation{"even", push(2 * i), {}},
                                  BatchOperation{"odd", push(2 * i + 1), {}}};
      pool.execute_batch(operations);
    }
    pool.cleanup();
    EXPECT_EQ(order, sequence<int>(20));
  });
}

TEST_P(BatchTest, TypeIsTheLabelThatTheDeviceSees) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const Tensor tensor(manager_, {10}, DataType::int32);
  outside::take_labels();
  const std::array operations{
      BatchOperation{"forward",
                     [&](CommandBuffer& b) {
                       b.fill(tensor, 1);
                       b.launch([](const Stream&) {});
                     },
                     {}},
      BatchOperation{"", [&](CommandBuffer& b) { b.fill(tensor, 2); }, {}},
      BatchOperation{"backward", [&](CommandBuffer& b) { b.fill(tensor, 3); }, {}},
  };
  pool.execute_batch(operations).wait();
  CommandBuffer plain = pool.get_buffer();
  plain.fill(tensor, 4);
  pool.execute_async(std::move(plain)).wait();
  if (GetParam() == "outside") {
    EXPECT_THAT(outside::take_labels(),
                ElementsAre("forward", "forward", "fill", "backward", "fill"));
  }
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), std::vector<std::int32_t>(10, 4));
}

class HeldBatchTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldBatchTest);

// Nothing of it runs, so it has nothing to wait for.
TEST_P(HeldBatchTest, ABatchThatFailedReturnsItsBufferWhileOthersWork) {
  const Stream stream = device_.make_stream();
  CommandBufferPool pool(stream, 2);
  Gate gate(can_hold());
  gate.hold(stream);
  const Completion slow = pool.execute_async(pool.get_buffer());
  const std::array operations{
      BatchOperation{"bad", [](CommandBuffer&) { throw std::runtime_error("no"); }, {}}};
  const Completion failed = pool.execute_batch(operations);
  EXPECT_THROW(failed.wait(), std::runtime_error);
  EXPECT_FALSE(slow.is_done());
  EXPECT_TRUE(pool.try_get_buffer());
}

// Faults that only a MockDevice can be told to have.
TEST(BatchFaultTest, ASubmissionThatFailedIsToldByHandlerAndCompletion) {
  for (const MockCall call : {MockCall::submit, MockCall::fill, MockCall::signal}) {
    SCOPED_TRACE(static_cast<int>(call));
    MockDeviceConfig config;
    config.random_order = true;
    MockDevice mock(config);
    const MemoryManager manager(mock.device());
    CommandBufferPool pool(mock.device().make_stream(), 1);
    const Tensor tensor(manager, {10}, DataType::int32);
    CommandBuffer commands = pool.get_buffer();
    commands.fill(tensor, 1);
    mock.fail(call, 1);
    std::promise<std::exception_ptr> told;
    const Completion completion = pool.execute_async(
        std::move(commands), [&told](std::exception_ptr error) { told.set_value(error); });
    EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::internal);
    EXPECT_THAT(text_of(told.get_future().get()), HasSubstr("told to fail"));
    EXPECT_TRUE(pool.try_get_buffer());
    const std::array good{
        BatchOperation{"fill", [&](CommandBuffer& buffer) { buffer.fill(tensor, 5); }, {}}};
    pool.execute_batch(good).wait();
    EXPECT_EQ(tensor.to_vector<std::int32_t>(), std::vector<std::int32_t>(10, 5));
  }
}

TEST(BatchFaultTest, IsOneSubmissionToTheDevice) {
  MockDevice mock;
  const MemoryManager manager(mock.device());
  CommandBufferPool pool(mock.device().make_stream(), 1);
  const Tensor tensor(manager, {10}, DataType::int32);
  std::vector<BatchOperation> operations(
      10, {"fill", [&](CommandBuffer& buffer) { buffer.fill(tensor, 5); }, {}});
  pool.execute_batch(operations);
  EXPECT_EQ(mock.count(MockCall::submit), 1U);
  EXPECT_EQ(mock.count(MockCall::fill), 10U);
  mock.complete_all();
}

}  // namespace
}  // namespace headrace::test
