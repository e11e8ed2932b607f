// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <chrono>
#include <set>

namespace headrace::test {
namespace {

Completion launch(CommandBufferPool& pool, std::function<void(Stream)> function) {
  CommandBuffer commands = pool.get_buffer();
  commands.launch(std::move(function));
  return pool.execute_async(std::move(commands));
}

class StreamTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(StreamTest);

TEST_P(StreamTest, DefaultMadeNamesNoDevice) {
  const Stream stream;
  EXPECT_FALSE(stream);
  EXPECT_EQ(stream.id(), 0U);
  EXPECT_EQ(stream, Stream{});
  EXPECT_EQ(stream.native_handle().kind, HandleKind::none);
  EXPECT_EQ(code_of([&] { stream.synchronize(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { stream.wait_for(Completion()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { const CommandBufferPool pool(stream, 1); }), ErrorCode::invalid_argument);
}

TEST_P(StreamTest, IdsAreNeverUsedAgain) {
  std::set<std::uint64_t> ids{device_.default_stream().id()};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(ids.insert(device_.make_stream().id()).second);  // each is dropped at once
  }
  EXPECT_FALSE(ids.contains(0));
}

TEST_P(StreamTest, TheDefaultStreamIsOne) {
  EXPECT_EQ(device_.default_stream(), device_.default_stream());
  EXPECT_TRUE(device_.default_stream());
  EXPECT_NE(device_.default_stream(), device_.make_stream());
  if (GetParam() != "vulkan") {  // Whose streams share queues.
    EXPECT_NE(device_.default_stream().native_handle(), device_.make_stream().native_handle());
  }
}

TEST_P(StreamTest, SynchronizeWaitsForAllBefore) {
  const Stream stream = device_.make_stream();
  CommandBufferPool pool(stream, 10);
  std::atomic<int> ran{0};
  for (int i = 0; i < 10; ++i) {
    launch(pool, [&ran](const Stream&) { ++ran; });
  }
  stream.synchronize();
  EXPECT_EQ(ran, 10);
}

TEST_P(StreamTest, DeviceSynchronizeWaitsForEveryStreamAlsoThoseDropped) {
  std::atomic<int> ran{0};
  std::vector<std::unique_ptr<CommandBufferPool>> pools;
  Gate gate(can_hold());
  for (int i = 0; i < 4; ++i) {
    const Stream stream = device_.make_stream();
    gate.hold(stream);
    pools.push_back(std::make_unique<CommandBufferPool>(stream, 1));
    launch(*pools.back(), [&ran](const Stream&) { ++ran; });
  }
  const std::jthread opener = gate.open_later();
  device_.synchronize();
  EXPECT_EQ(ran, 4);
}

TEST_P(StreamTest, DroppedWithWorkPendingStillRunsIt) {
  for_each_order([&] {
    const Tensor source = tensor_of(sequence<std::int32_t>(1000));
    Tensor target(manager_, {1000}, DataType::int32);
    Stream stream = device_.make_stream();
    Gate gate(can_hold());
    gate.hold(stream);
    const Tensor copy = source.deep_copy(stream);
    stream = {};
    gate.open();
    EXPECT_EQ(copy.to_vector<std::int32_t>(), sequence<std::int32_t>(1000));
  });
}

TEST_P(StreamTest, WaitForOrdersLaterWorkAfterACompletion) {
  for_each_order([&] {
    CommandBufferPool first(device_.make_stream(), 2);
    const Stream second = device_.make_stream();
    CommandBufferPool pool(second, 1);
    std::atomic<bool> written{false};
    std::atomic<bool> seen{false};
    Gate gate(can_hold());
    gate.hold(second);  // so that the wait is submitted before its turn comes
    const Completion completion = launch(first, [&](const Stream&) { written = true; });
    second.wait_for(completion);
    const Completion last = launch(pool, [&](const Stream&) { seen = written.load(); });
    gate.open();
    last.wait();
    EXPECT_TRUE(seen);
  });
}

TEST_P(StreamTest, WaitForACompletionThatFailedOrIsItsOwnIsNoError) {
  const Stream stream = device_.make_stream();
  CommandBufferPool pool(stream, 2);
  const Completion failed = launch(pool, [](const Stream&) { throw std::runtime_error("no"); });
  stream.wait_for(failed);
  device_.default_stream().wait_for(failed);
  launch(pool, [](const Stream&) {}).wait();
  device_.default_stream().synchronize();
  EXPECT_THROW(failed.wait(), std::runtime_error);
}

TEST_P(StreamTest, WaitForACompletionOfAnotherDeviceIsRefused) {
  MockDeviceConfig config;
  config.random_order = true;
  const MockDevice other(config);
  CommandBufferPool pool(other.device().make_stream(), 1);
  const Completion pending = launch(pool, [](const Stream&) {});
  EXPECT_EQ(code_of([&] { device_.default_stream().wait_for(pending); }),
            ErrorCode::invalid_argument);
  pending.wait();
}

TEST_P(StreamTest, AnAdoptedHandleOfNoStreamIsRefused) {
  const std::optional<ErrorCode> code = code_of([&] {
    static_cast<void>(device_.adopt_stream({HandleKind::pointer, 1, 0}));
  });
  EXPECT_TRUE(code == ErrorCode::unsupported || code == ErrorCode::invalid_argument);
}

TEST_P(StreamTest, WithoutADeviceEveryCallIsRefused) {
  const Device none;
  EXPECT_FALSE(none);
  EXPECT_EQ(code_of([&] { static_cast<void>(none.info()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(none.default_stream()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(none.make_stream()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { none.synchronize(); }), ErrorCode::invalid_argument);
}

// Work that waits for the end of its own stream would wait for itself. Where it is recorded it
// waits for what was submitted before.
TEST_P(StreamTest, LaunchedWorkThatWaitsForItsOwnStreamGetsAnError) {
  const Stream stream = device_.make_stream();
  CommandBufferPool pool(stream, 2);
  EXPECT_EQ(
      code_of([&] { launch(pool, [stream](const Stream&) { stream.synchronize(); }).wait(); }),
      records_launches() ? std::nullopt : std::optional(ErrorCode::invalid_argument));
  launch(pool, [](const Stream&) {}).wait();  // the stream goes on
}

TEST_P(StreamTest, LaunchedWorkThatWaitsForLaterWorkOfItsOwnStreamGetsAnError) {
  CommandBufferPool pool(device_.make_stream(), 2);
  std::promise<Completion> later;
  const Completion completion = launch(pool, [later = later.get_future().share()](const Stream&) {
    if (later.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      later.get().wait();
    }
    throw Error(ErrorCode::stopped, "was not yet submitted");
  });
  later.set_value(launch(pool, [](const Stream&) {}));
  const std::optional<ErrorCode> code = code_of([&] { completion.wait(); });
  EXPECT_TRUE(code == ErrorCode::invalid_argument || code == ErrorCode::stopped);
}

TEST_P(StreamTest, LaunchedWorkMayUseTheLibraryOnOtherStreams) {
  CommandBufferPool pool(device_.make_stream(), 2);
  const Stream other = device_.make_stream();
  for (int i = 0; i < 10; ++i) {
    const Completion completion = launch(pool, [&](const Stream&) {
      const Tensor tensor(manager_, {100}, DataType::float32, DeviceType::gpu, other);
      EXPECT_EQ(tensor.size_bytes(), 400U);
      EXPECT_EQ(pool.stats().max_buffers, 2U);
      EXPECT_GE(manager_.stats().current_buffers, 1U);
    });
    static_cast<void>(pool.stats());  // a look may be what makes the work run
    static_cast<void>(manager_.get_buffer(400));
    completion.wait();
  }
}

// Everything else is gone before the work that keeps the device ends.
TEST_P(StreamTest, LaunchedWorkMayHoldTheLastHandleOfTheDevice) {
  Gate gate(can_hold());
  Stream stream = device_.make_stream();
  auto pool = std::make_unique<CommandBufferPool>(stream, 1);
  Tensor source = tensor_of(sequence<std::int32_t>(1 << 16));
  Tensor target(manager_, {1 << 16}, DataType::int32);
  device_.synchronize();
  gate.hold(stream);
  launch(*pool, [device = device_](const Stream&) { EXPECT_TRUE(device); });
  target.copy_from(source, stream);  // runs after the device handle is dropped
  // CUDA gives no memory back before all work is done.
  const std::jthread opener = GetParam() == "cuda" ? gate.open_later() : std::jthread();
  source.release();
  target.release();
  manager_ = {};
  device_ = {};
  gate.open();
  stream.synchronize();
  pool.reset();
}

class HeldStreamTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldStreamTest);

TEST_P(HeldStreamTest, StreamsDoNotWaitForOneAnother) {
  Gate gate(can_hold());
  gate.hold(device_.make_stream());
  gate.hold(device_.default_stream());
  CommandBufferPool pool(device_.make_stream(), 1);
  std::atomic<bool> ran{false};
  launch(pool, [&ran](const Stream&) { ran = true; }).wait();  // would never return
  EXPECT_TRUE(ran);
}

TEST_P(HeldStreamTest, WaitForDoesNotHoldTheHost) {
  const Stream first = device_.make_stream();
  const Stream second = device_.make_stream();
  Gate gate(can_hold());
  gate.hold(first);
  CommandBufferPool first_pool(first, 1);
  CommandBufferPool pool(second, 1);
  second.wait_for(launch(first_pool, [](const Stream&) {}));  // returns at once
  const Completion after = launch(pool, [](const Stream&) {});
  EXPECT_FALSE(after.is_done());
  gate.open();
  after.wait();
}

// All buffers of the pool are the work's own: waiting for one would be waiting for itself.
TEST_P(HeldStreamTest, LaunchedWorkThatWaitsForABufferOfItsOwnPoolGetsAnError) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const Completion completion =
      launch(pool, [&pool](const Stream&) { const CommandBuffer mine = pool.get_buffer(); });
  EXPECT_NE(code_of([&] { completion.wait(); }), std::nullopt);
}

TEST_P(HeldStreamTest, LaunchedWorkThatCleansUpItsOwnPoolDoesNotHang) {
  CommandBufferPool pool(device_.make_stream(), 1);
  std::atomic<bool> returned{false};
  launch(pool, [&](const Stream&) {
    pool.cleanup();
    returned = true;
  }).wait();
  EXPECT_TRUE(returned);
}

}  // namespace
}  // namespace headrace::test
