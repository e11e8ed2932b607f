// SPDX-License-Identifier: Apache-2.0
#include "core/access.h"
#include "core/completion_state.h"
#include "core/device_state.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

// Work of one device that uses another's memory: who waits for it, and what is left of that when
// one of the two is lost.

namespace headrace::core {
namespace {

using test::block_of;
using test::code_of;
using test::ScriptedDevice;
using test::ScriptedStream;
using test::shared_state_of;
using test::state_of;

constexpr std::size_t kSize = 1000;

/// A device, its manager, and streams of it.
struct Machine {
  struct Line {
    Stream stream;
    std::shared_ptr<ScriptedStream> backend;

    [[nodiscard]] StreamState& state() const { return state_of(stream); }
    /// Gives it work, and says that `block` is written or read by it.
    void write(Block& block) const {
      block.before_write(state());
      state().submit(std::make_shared<Submission>());
      block.after_write(state().point());
    }
    void read(Block& block) const {
      block.before_read(state());
      state().submit(std::make_shared<Submission>());
      block.after_read(state().point());
    }
    /// All that came so far is done.
    void finish() const { backend->passed = UINT64_MAX; }
  };

  [[nodiscard]] Line line() const {
    const Stream stream = device.make_stream();
    return {stream, backend->streams.back()};
  }

  std::shared_ptr<ScriptedDevice> backend = std::make_shared<ScriptedDevice>();
  Device device = DeviceAccess::make(make_shared_here<DeviceState>(backend));
  MemoryManager manager{device};
};

class JoinedDevicesTest : public testing::Test {
 protected:
  JoinedDevicesTest() {
    a_.backend->reached = {b_.backend.get()};
    b_.backend->reached = {a_.backend.get()};
  }

  Machine a_;
  Machine b_;
};

Completion completion_of(const Machine::Line& line) {
  line.state().submit(std::make_shared<Submission>());
  return CompletionAccess::make(std::make_shared<CompletionState>(line.state().mark(), nullptr));
}

TEST_F(JoinedDevicesTest, AWaitIsHandedToTheBackend) {
  const Machine::Line producer = a_.line();
  const Machine::Line consumer = b_.line();
  consumer.stream.wait_for(completion_of(producer));
  ASSERT_EQ(consumer.backend->waits.size(), 1U);
  EXPECT_EQ(consumer.backend->waits[0].first, producer.backend.get());
  EXPECT_EQ(consumer.backend->waits[0].second, 1U);
}

TEST_F(JoinedDevicesTest, BothMustReachTheOther) {
  const Machine::Line producer = a_.line();
  const Machine::Line consumer = b_.line();
  const Completion completion = completion_of(producer);
  const Buffer buffer = a_.manager.get_buffer(kSize);
  for (const Machine* one : {&a_, &b_}) {
    const auto reached = std::exchange(one->backend->reached, {});
    EXPECT_EQ(code_of([&] { consumer.stream.wait_for(completion); }), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { buffer.record_use(consumer.stream); }), ErrorCode::invalid_argument);
    one->backend->reached = reached;
  }
  EXPECT_TRUE(consumer.backend->waits.empty());
  EXPECT_EQ(code_of([&] { buffer.record_use(consumer.stream); }), std::nullopt);
}

TEST_F(JoinedDevicesTest, ACopyNamesTheOtherDeviceAndOneWithinADeviceNone) {
  const Machine::Line near = a_.line();
  const Machine::Line far = b_.line();
  const Tensor source(a_.manager, Shape{16}, DataType::int32);
  Tensor target(b_.manager, Shape{16}, DataType::int32);
  const auto peer_of = [](const Machine::Line& line) {
    return std::get<CopyCommand>(line.backend->last_submission->commands.at(0).work).peer;
  };
  target.copy_from(source, near.stream);
  EXPECT_EQ(peer_of(near), b_.backend.get());
  target.copy_from(source, far.stream);
  EXPECT_EQ(peer_of(far), a_.backend.get());
  static_cast<void>(source.deep_copy(near.stream));
  EXPECT_EQ(peer_of(near), nullptr);
}

// b's work waited for a's. When b is lost its markers count as passed, but a's work goes on.
TEST_F(JoinedDevicesTest, WorkOfOneDeviceDoesNotStandForWhatItWaitedForOnAnother) {
  const Machine::Line first = a_.line();
  const Machine::Line taker = a_.line();
  const Machine::Line other = b_.line();
  Buffer buffer = a_.manager.get_buffer(kSize, DeviceType::gpu, taker.stream);
  const NativeHandle place = buffer.native_handle();
  first.write(block_of(buffer));
  other.write(block_of(buffer));
  EXPECT_EQ(other.backend->waits.size(), 1U);
  other.backend->is_lost = true;
  buffer.reset();
  taker.finish();
  const Buffer next = a_.manager.get_buffer(kSize, DeviceType::gpu, taker.stream);
  EXPECT_NE(next.native_handle(), place) << "the first writer is at work there";
  first.finish();
  EXPECT_EQ(a_.manager.get_buffer(kSize, DeviceType::gpu, taker.stream).native_handle(), place);
}

// At a limit a stream takes memory that the other device still uses, and waits for that. If its own
// device is lost, nobody else would know that the other is at work there.
TEST_F(JoinedDevicesTest, ATakeThatWaitsOnTheDeviceKeepsTheOthersUse) {
  const Machine::Line taker = a_.line();
  const Machine::Line far = b_.line();
  MemoryManager manager(a_.device, {.count_limit = 1});
  const long before = shared_state_of(far.stream).use_count();
  Buffer buffer = manager.get_buffer(kSize, DeviceType::gpu, taker.stream);
  far.write(block_of(buffer));
  buffer.reset();
  const Buffer next = manager.get_buffer(kSize, DeviceType::gpu, taker.stream);
  EXPECT_EQ(taker.backend->waits.size(), 1U);
  EXPECT_GT(shared_state_of(far.stream).use_count(), before);
}

TEST_F(JoinedDevicesTest, AWriteForgetsWhatTheOtherDeviceHasDone) {
  const Machine::Line near = a_.line();
  const Machine::Line far = b_.line();
  const Buffer buffer = a_.manager.get_buffer(kSize);
  const long before = shared_state_of(far.stream).use_count();
  far.read(block_of(buffer));
  near.write(block_of(buffer));
  EXPECT_EQ(near.backend->waits.size(), 1U);
  EXPECT_GT(shared_state_of(far.stream).use_count(), before) << "it is not done";
  far.finish();
  near.write(block_of(buffer));
  EXPECT_EQ(shared_state_of(far.stream).use_count(), before);
}

TEST_F(JoinedDevicesTest, WhatALostDeviceWasToWriteIsNotRead) {
  const Machine::Line near = a_.line();
  const Machine::Line far = b_.line();
  const Buffer buffer = a_.manager.get_buffer(kSize, DeviceType::gpu, near.stream);
  Block& block = block_of(buffer);
  far.write(block);
  far.backend->is_lost = true;
  EXPECT_EQ(code_of([&] { near.read(block); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { block.wait_to_read(); }), ErrorCode::device_lost);
  near.write(block);
  EXPECT_EQ(code_of([&] { near.read(block); }), std::nullopt);
  EXPECT_EQ(code_of([&] { block.wait_to_read(); }), std::nullopt);
}

// The stream's own device is well, so what follows would run on what was never written.
TEST_F(JoinedDevicesTest, AWaitForWhatALostDeviceWasToDoThrows) {
  const Machine::Line near = a_.line();
  const Machine::Line far = b_.line();
  const Completion completion = completion_of(far);
  const Tensor tensor(a_.manager, Shape{16}, DataType::int32, DeviceType::gpu, near.stream);
  far.state().submit(std::make_shared<Submission>());
  tensor.record_use(far.stream);
  far.backend->is_lost = true;
  EXPECT_EQ(code_of([&] { near.stream.wait_for(completion); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { tensor.wait_on(near.stream); }), ErrorCode::device_lost);
}

TEST_F(JoinedDevicesTest, ALossIsNotForgottenForManyOtherUsers) {
  const Machine::Line near = a_.line();
  const Machine::Line far = b_.line();
  const Buffer buffer = a_.manager.get_buffer(kSize, DeviceType::gpu, near.stream);
  far.write(block_of(buffer));
  far.backend->is_lost = true;
  std::vector<Machine::Line> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(a_.line());
    others.back().state().submit(std::make_shared<Submission>());
    buffer.record_use(others.back().stream);
    others.back().finish();
  }
  EXPECT_EQ(code_of([&] { near.read(block_of(buffer)); }), ErrorCode::device_lost);
}

TEST_F(JoinedDevicesTest, WhatALostDeviceHasWrittenIsRead) {
  const Machine::Line near = a_.line();
  const Machine::Line far = b_.line();
  const Buffer buffer = a_.manager.get_buffer(kSize, DeviceType::gpu, near.stream);
  far.write(block_of(buffer));
  far.backend->passed = 1;
  EXPECT_EQ(code_of([&] { near.read(block_of(buffer)); }), std::nullopt);
  far.backend->is_lost = true;
  EXPECT_EQ(code_of([&] { near.read(block_of(buffer)); }), std::nullopt);
}

TEST_F(JoinedDevicesTest, TheHostWritesOverWhatALostDeviceWasToUse) {
  const Machine::Line far = b_.line();
  Tensor tensor(a_.manager, Shape{16}, DataType::int32, DeviceType::cpu);
  far.state().submit(std::make_shared<Submission>());
  tensor.record_use(far.stream);
  far.backend->is_lost = true;
  const std::vector<std::int32_t> values(16, 1);
  EXPECT_EQ(code_of([&] { tensor.copy_from(values); }), std::nullopt);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), values);
}

TEST_F(JoinedDevicesTest, MemoryGoesBackWhenAllDevicesAreDoneWithIt) {
  const Machine::Line far = b_.line();
  MarkerSerial passed = 0;
  {
    Machine brief;
    brief.backend->reached = {b_.backend.get()};
    b_.backend->reached.push_back(brief.backend.get());
    const Machine::Line near = brief.line();
    Buffer buffer = brief.manager.get_buffer(kSize, DeviceType::gpu, near.stream);
    far.write(block_of(buffer));
    near.read(block_of(buffer));
    buffer.reset();
    brief.manager = {};
    far.backend->is_lost = true;  // it is buried with the uses of both
    brief.backend->on_release = [&passed, own = near.backend] { passed = own->passed; };
  }
  EXPECT_GE(passed, 1U) << "memory was given back though its own device was at work there";
}

TEST_F(JoinedDevicesTest, AShortageWaitsForTheOtherDevicesWork) {
  const Machine::Line far = b_.line();
  a_.backend->on_allocate = [this](std::size_t) {
    if (a_.backend->live != 0) {
      throw Error(ErrorCode::out_of_memory, "There is memory for one segment.");
    }
  };
  for (const bool is_of_a_pool_that_is_gone : {false, true}) {
    MemoryManager manager(a_.device);
    MemoryManager& owner = is_of_a_pool_that_is_gone ? manager : a_.manager;
    far.backend->passed = 0;
    Buffer buffer = owner.get_buffer(std::size_t{64} << 20);
    far.state().submit(std::make_shared<Submission>());
    buffer.record_use(far.stream);
    buffer.reset();
    manager = {};
    const MarkerSerial last = far.state().stamp_serial();
    EXPECT_EQ(code_of([&] { a_.manager.get_buffer(std::size_t{96} << 20); }), std::nullopt);
    EXPECT_GE(far.backend->passed, last - 1);
    a_.manager.trim();
  }
}

}  // namespace
}  // namespace headrace::core
