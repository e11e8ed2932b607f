// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <set>

namespace headrace::test {
namespace {

using testing::ElementsAre;

class CommandBufferTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (device_) {
      stream_ = device_.make_stream();
    }
  }
  void TearDown() override {
    stream_ = {};
    DeviceTest::TearDown();
  }
  Stream stream_;
};
HEADRACE_ON_EVERY_DEVICE(CommandBufferTest);

TEST_P(CommandBufferTest, RunsWhatWasRecordedInOrder) {
  CommandBufferPool pool(stream_, 1);
  const Tensor a = tensor_of(std::vector<std::int32_t>(100, 1));
  const Tensor b(manager_, {100}, DataType::int32);
  const Tensor c(manager_, {100}, DataType::float32);
  std::vector<int> order;
  CommandBuffer commands = pool.get_buffer();
  commands.launch([&](const Stream&) { order.push_back(1); });
  commands.fill(a, 5);
  commands.copy(a, b);
  commands.fill(a, 6);
  commands.launch([&](const Stream&) { order.push_back(2); });
  commands.convert(b, c);
  commands.fill(b, 7);
  pool.execute_async(std::move(commands)).wait();
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_EQ(a.to_vector<std::int32_t>(), std::vector<std::int32_t>(100, 6));
  EXPECT_EQ(b.to_vector<std::int32_t>(), std::vector<std::int32_t>(100, 7));
  EXPECT_EQ(c.to_vector<float>(), std::vector<float>(100, 5));
  EXPECT_EQ(pool.stats().submissions, 1U);
}

TEST_P(CommandBufferTest, SubmissionsRunInOrder) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 20);
    std::vector<int> order;
    for (int i = 0; i < 20; ++i) {
      CommandBuffer commands = pool.get_buffer();
      commands.launch([&order, i](const Stream&) { order.push_back(i); });
      pool.execute_async(std::move(commands));
    }
    pool.cleanup();
    EXPECT_EQ(order, sequence<int>(20));
    EXPECT_EQ(pool.stats().submissions, 20U);
  });
}

TEST_P(CommandBufferTest, NothingRunsBeforeItIsExecuted) {
  CommandBufferPool pool(stream_, 1);
  const Tensor tensor = tensor_of(sequence<float>(10));
  bool ran = false;
  CommandBuffer commands = pool.get_buffer();
  commands.fill(tensor, 0);
  commands.launch([&ran](const Stream&) { ran = true; });
  stream_.synchronize();
  pool.return_buffer(std::move(commands));
  pool.execute_async(pool.get_buffer()).wait();  // the same buffer, with nothing in it
  EXPECT_FALSE(ran);
  EXPECT_EQ(tensor.to_vector<float>(), sequence<float>(10));
}

TEST_P(CommandBufferTest, WithNothingRecordedIsDoneInItsTurn) {
  CommandBufferPool pool(stream_, 1);
  std::promise<std::exception_ptr> told;
  const Completion completion = pool.execute_async(
      pool.get_buffer(), [&told](std::exception_ptr error) { told.set_value(error); });
  completion.wait();
  EXPECT_EQ(told.get_future().get(), nullptr);
}

TEST_P(CommandBufferTest, WhatItFailedToWriteCannotBeRead) {
  CommandBufferPool pool(stream_, 2);
  const Tensor from = tensor_of(sequence<std::int32_t>(10));
  const Tensor to = tensor_of(std::vector<std::int32_t>(10, 9));
  CommandBuffer failing = pool.get_buffer();
  failing.launch([](const Stream&) { throw std::runtime_error("kernel failed"); });
  failing.copy(from, to);
  pool.execute_async(std::move(failing));
  EXPECT_THROW(to.to_vector<std::int32_t>(), std::runtime_error);
  EXPECT_EQ(from.to_vector<std::int32_t>(), sequence<std::int32_t>(10));
  CommandBuffer good = pool.get_buffer();
  good.copy(from, to);
  pool.execute_async(std::move(good));
  EXPECT_EQ(to.to_vector<std::int32_t>(), sequence<std::int32_t>(10));
}

TEST_P(CommandBufferTest, APoolThatWasMovedFromSaysSo) {
  CommandBufferPool pool(stream_, 1);
  const CommandBufferPool moved = std::move(pool);
  EXPECT_EQ(code_of([&] { pool.get_buffer(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.try_get_buffer(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.execute_async({}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { pool.execute_batch({}); }), ErrorCode::invalid_argument);
  EXPECT_THAT(text_of([&] { static_cast<void>(pool.stats()); }),
              testing::HasSubstr("This CommandBufferPool was moved from."));
  pool.cleanup();
  pool.return_buffer({});
}

TEST_P(CommandBufferTest, KnowsItsNumberAndItsStream) {
  CommandBufferPool pool(stream_, 2);
  CommandBuffer first = pool.get_buffer();
  const CommandBuffer second = pool.get_buffer();
  EXPECT_EQ(first.id(), 1);
  EXPECT_EQ(second.id(), 2);
  EXPECT_TRUE(first.is_in_use());
  EXPECT_TRUE(first);
  EXPECT_EQ(first.native_handle(), stream_.native_handle());
  NativeHandle inside;
  Stream given;
  first.launch([&](const Stream& stream) {
    inside = stream.native_handle();
    given = stream;
  });
  pool.execute_async(std::move(first)).wait();
  EXPECT_TRUE(inside);
  EXPECT_EQ(given, stream_);
  EXPECT_EQ(pool.get_buffer().id(), 1);
}

TEST_P(CommandBufferTest, EmptyRefusesEveryCall) {
  CommandBufferPool pool(stream_, 1);
  CommandBuffer taken = pool.get_buffer();
  CommandBuffer other = std::move(taken);
  const Tensor tensor = tensor_of(sequence<float>(10));
  for (CommandBuffer* empty : std::array{&taken, std::make_unique<CommandBuffer>().release()}) {
    EXPECT_FALSE(*empty);
    EXPECT_FALSE(empty->is_in_use());
    EXPECT_EQ(empty->id(), 0);
    EXPECT_EQ(code_of([&] { static_cast<void>(empty->native_handle()); }),
              ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { empty->fill(tensor, 0); }), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { empty->copy(tensor, tensor); }), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { empty->convert(tensor, tensor); }), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { empty->launch([](const Stream&) {}); }), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { pool.execute_async(std::move(*empty)); }), ErrorCode::invalid_argument);
    pool.return_buffer(std::move(*empty));
    if (empty != &taken) {
      delete empty;
    }
  }
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  pool.execute_async(std::move(other)).wait();
  EXPECT_EQ(code_of([&] { other.fill(tensor, 0); }), ErrorCode::invalid_argument);
}

TEST_P(CommandBufferTest, RefusedRecordingRecordsNothing) {
  CommandBufferPool pool(stream_, 1);
  const Tensor floats = tensor_of(sequence<float>(10));
  const Tensor integers = tensor_of(sequence<std::int32_t>(10));
  const Tensor shorter = tensor_of(sequence<float>(9));
  const MockDevice mock;
  const Tensor elsewhere(MemoryManager(mock.device()), {10}, DataType::float32);
  CommandBuffer commands = pool.get_buffer();
  const auto refused = [](const std::function<void()>& call) {
    EXPECT_EQ(code_of(call), ErrorCode::invalid_argument);
  };
  refused([&] { commands.copy(floats, integers); });
  refused([&] { commands.copy(floats, shorter); });
  refused([&] { commands.copy(floats, Tensor()); });
  refused([&] { commands.copy(Tensor(), floats); });
  refused([&] { commands.copy(elsewhere, floats); });
  refused([&] { commands.copy(floats, elsewhere); });
  refused([&] { commands.convert(integers, shorter); });
  refused([&] { commands.convert(integers, Tensor()); });
  refused([&] { commands.convert(elsewhere, integers); });
  refused([&] { commands.fill(Tensor(), 1); });
  refused([&] { commands.fill(elsewhere, 1); });
  refused([&] { commands.launch({}); });
  pool.execute_async(std::move(commands)).wait();
  EXPECT_EQ(floats.to_vector<float>(), sequence<float>(10));
  EXPECT_EQ(integers.to_vector<std::int32_t>(), sequence<std::int32_t>(10));
}

TEST_P(CommandBufferTest, TensorsWithoutElementsAreLeftAlone) {
  CommandBufferPool pool(stream_, 1);
  const Tensor none(manager_, {0, 3}, DataType::float32);
  const Tensor also_none(manager_, {0, 3}, DataType::float32);
  const Tensor halves(manager_, {0, 3}, DataType::float16);
  const Tensor some = tensor_of(sequence<float>(10));
  CommandBuffer commands = pool.get_buffer();
  commands.copy(none, also_none);
  commands.fill(none, 3);
  commands.convert(none, halves);
  commands.copy(some.slice(10, 10), some.slice(3, 3));
  commands.fill(some.slice(10, 10), 9);
  commands.fill(some.slice(9, 10), 42);
  pool.execute_async(std::move(commands)).wait();
  std::vector<float> expected = sequence<float>(10);
  expected.back() = 42;
  EXPECT_EQ(some.to_vector<float>(), expected);
}

TEST_P(CommandBufferTest, CopiesOfOverlappingRowsAreRefusedOrRight) {
  CommandBufferPool pool(stream_, 1);
  const Tensor tensor = tensor_of(sequence<std::int32_t>(1000));
  CommandBuffer commands = pool.get_buffer();
  const std::optional<ErrorCode> refused =
      code_of([&] { commands.copy(tensor.slice(0, 999), tensor.slice(1, 1000)); });
  pool.execute_async(std::move(commands)).wait();
  std::vector<std::int32_t> expected = sequence<std::int32_t>(1000);
  if (refused) {
    EXPECT_EQ(refused, ErrorCode::invalid_argument);
  } else {
    std::copy_backward(expected.begin(), expected.end() - 1, expected.end());
  }
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), expected);
}

TEST_P(CommandBufferTest, KeepsItsTensorsUntilTheWorkIsDone) {
  for_each_order([&] {
    const Stream stream = device_.make_stream();
    CommandBufferPool pool(stream, 1);
    const Tensor target(manager_, {1000}, DataType::int32);
    Tensor source = tensor_of(sequence<std::int32_t>(1000));
    CommandBuffer commands = pool.get_buffer();
    commands.copy(source, target);
    EXPECT_EQ(source.ref_count(), 2);
    source.release();
    const Stream other = device_.make_stream();
    Tensor thief(manager_, {1000}, DataType::int32, DeviceType::gpu, other);
    const Tensor zeros = tensor_of(std::vector<std::int32_t>(1000));
    thief.copy_from(zeros, other);
    pool.execute_async(std::move(commands));
    Tensor second_thief(manager_, {1000}, DataType::int32, DeviceType::gpu, other);
    second_thief.copy_from(zeros, other);
    EXPECT_EQ(target.to_vector<std::int32_t>(), sequence<std::int32_t>(1000));
  });
}

TEST_P(CommandBufferTest, PoolRefusesNoBuffers) {
  EXPECT_EQ(code_of([&] { const CommandBufferPool pool(stream_, 0); }),
            ErrorCode::invalid_argument);
}

TEST_P(CommandBufferTest, PoolExhaustedByHoldersThrowsAndTryGivesNullopt) {
  CommandBufferPool pool(stream_, 2);
  CommandBuffer first = pool.get_buffer();
  const CommandBuffer second = pool.get_buffer();
  EXPECT_FALSE(pool.try_get_buffer());
  EXPECT_EQ(code_of([&] { pool.get_buffer(); }), ErrorCode::capacity);
  EXPECT_EQ(pool.stats().in_use_buffers, 2U);
  EXPECT_EQ(pool.stats().available_buffers, 0U);
  pool.return_buffer(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_TRUE(pool.try_get_buffer());
  EXPECT_EQ(pool.stats().available_buffers, 1U);
  EXPECT_EQ(pool.stats().total_buffers, 2U);
  EXPECT_EQ(pool.stats().max_buffers, 2U);
}

TEST_P(CommandBufferTest, PoolExhaustedByWorkInFlightWaits) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 2);
    std::atomic<int> ran{0};
    for (int i = 0; i < 30; ++i) {
      CommandBuffer commands = pool.get_buffer();
      commands.launch([&ran](const Stream&) { ++ran; });
      pool.execute_async(std::move(commands));
    }
    pool.cleanup();
    EXPECT_EQ(ran, 30);
  });
}

TEST_P(CommandBufferTest, ABufferOfAnotherPoolIsRefusedAndUnchanged) {
  CommandBufferPool pool(stream_, 1);
  CommandBufferPool other(stream_, 1);
  const Tensor tensor = tensor_of(sequence<float>(10));
  CommandBuffer commands = other.get_buffer();
  commands.fill(tensor, 3);
  EXPECT_EQ(code_of([&] { pool.execute_async(std::move(commands)); }), ErrorCode::invalid_argument);
  ASSERT_TRUE(commands);  // NOLINT(bugprone-use-after-move): that is what is tested
  other.execute_async(std::move(commands)).wait();
  EXPECT_EQ(tensor.to_vector<float>(), std::vector<float>(10, 3));
  EXPECT_EQ(pool.stats().submissions, 0U);
}

TEST_P(CommandBufferTest, ABufferOutlivesItsPool) {
  CommandBuffer commands;
  {
    CommandBufferPool pool(stream_, 1);
    commands = pool.get_buffer();
  }
  const Tensor tensor = tensor_of(sequence<float>(10));
  commands.fill(tensor, 3);
  CommandBufferPool other(stream_, 1);
  EXPECT_EQ(code_of([&] { other.execute_async(std::move(commands)); }),
            ErrorCode::invalid_argument);
  commands = {};
  EXPECT_EQ(tensor.ref_count(), 1);
}

TEST_P(CommandBufferTest, AssignmentReturnsTheOldBuffer) {
  CommandBufferPool pool(stream_, 2);
  CommandBuffer first = pool.get_buffer();
  first = pool.get_buffer();
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  EXPECT_EQ(pool.stats().available_buffers, 1U);
}

TEST_P(CommandBufferTest, CleanupDropsIdleBuffersAndThePoolStaysUsable) {
  CommandBufferPool pool(stream_, 3);
  { const std::array held{pool.get_buffer(), pool.get_buffer(), pool.get_buffer()}; }
  const CommandBuffer held = pool.get_buffer();
  pool.cleanup();
  EXPECT_EQ(pool.stats().total_buffers, 1U);
  EXPECT_EQ(pool.stats().available_buffers, 0U);
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  std::set<int> ids{held.id()};
  const std::array more{pool.get_buffer(), pool.get_buffer()};
  for (const CommandBuffer& one : more) {
    EXPECT_TRUE(ids.insert(one.id()).second);
  }
  EXPECT_FALSE(pool.try_get_buffer());
}

TEST_P(CommandBufferTest, ALaunchThatThrowsStopsItsOwnSubmissionOnly) {
  CommandBufferPool pool(stream_, 2);
  const Tensor other = tensor_of(sequence<float>(10));
  bool ran = false;
  CommandBuffer commands = pool.get_buffer();
  commands.fill(other, 1);
  commands.launch([](const Stream&) { throw std::runtime_error("kernel failed"); });
  commands.launch([&ran](const Stream&) { ran = true; });
  const Completion failed = pool.execute_async(std::move(commands));
  CommandBuffer next = pool.get_buffer();
  next.fill(other, 2);
  const Completion fine = pool.execute_async(std::move(next));
  EXPECT_THROW(failed.wait(), std::runtime_error);
  EXPECT_THROW(failed.wait(), std::runtime_error);
  fine.wait();
  EXPECT_FALSE(ran);
  EXPECT_EQ(other.to_vector<float>(), std::vector<float>(10, 2));
}

TEST_P(CommandBufferTest, MemoryOfAFailedWriteIsCleanForItsNextOwner) {
  CommandBufferPool pool(stream_, 1);
  Tensor tensor(manager_, {10}, DataType::float32);
  CommandBuffer commands = pool.get_buffer();
  commands.launch([](const Stream&) { throw std::runtime_error("kernel failed"); });
  commands.fill(tensor, 1);
  EXPECT_THROW(pool.execute_async(std::move(commands)).wait(), std::runtime_error);
  tensor.release();
  device_.synchronize();
  tensor = tensor_of(sequence<float>(10));
  EXPECT_GE(manager_.stats().hits, 1U);
  EXPECT_EQ(tensor.to_vector<float>(), sequence<float>(10));
}

TEST_P(CommandBufferTest, ALaunchThatThrowsNoStandardExceptionIsKeptToo) {
  CommandBufferPool pool(stream_, 1);
  CommandBuffer commands = pool.get_buffer();
  commands.launch([](const Stream&) { throw 42; });
  const Completion failed = pool.execute_async(std::move(commands));
  EXPECT_THROW(failed.wait(), int);
}

TEST_P(CommandBufferTest, WhatALaunchHoldsIsLetGoWhenItRan) {
  CommandBufferPool pool(stream_, 1);
  const auto held = std::make_shared<int>(1);
  CommandBuffer commands = pool.get_buffer();
  commands.launch([held](const Stream&) {});
  EXPECT_EQ(held.use_count(), 2);
  const Completion completion = pool.execute_async(std::move(commands));
  completion.wait();
  wait_for_keeper([&] { return held.use_count() == 1; });
  EXPECT_EQ(held.use_count(), 1);  // though the completion is still there
}

TEST_P(CommandBufferTest, ManyThreadsShareAPoolStress) {
  CommandBufferPool pool(stream_, 3);
  std::atomic<int> ran{0};
  std::atomic<int> told{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50;) {
        std::optional<CommandBuffer> commands = pool.try_get_buffer();
        if (!commands) {
          std::this_thread::yield();
          continue;
        }
        commands->launch([&ran](const Stream&) { ++ran; });
        const Completion completion = pool.execute_async(
            std::move(*commands), [&told](const std::exception_ptr& error) { told += !error; });
        if (++i % 10 == 0) {
          completion.wait();
        }
      }
    });
  }
  threads.clear();
  pool.cleanup();
  EXPECT_EQ(ran, 200);
  EXPECT_EQ(told, 200);
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

}  // namespace
}  // namespace headrace::test
