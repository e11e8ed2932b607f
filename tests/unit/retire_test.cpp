// SPDX-License-Identifier: Apache-2.0
#include "core/device_state.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::expect_ledger_balances;
using test::launch;
using test::shared_state_of;
using test::state_of;

TEST(Retire, AStreamThatGoesAwayDoesNotStrandItsBlocks) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  const Stream stays = mock.device().make_stream();
  NativeHandle first;
  {
    const Stream goes = mock.device().make_stream();
    Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, goes);
    first = buffer.native_handle();
    launch(goes, [] {});
  }
  EXPECT_NE(manager.get_buffer(1000, DeviceType::gpu, stays).native_handle(), first)
      << "the work of the stream that went is still to run";
  mock.complete_all();
  std::vector<Buffer> buffers;
  buffers.push_back(manager.get_buffer(1000, DeviceType::gpu, stays));
  buffers.push_back(manager.get_buffer(1000, DeviceType::gpu, stays));
  EXPECT_TRUE(buffers[0].native_handle() == first || buffers[1].native_handle() == first);
  EXPECT_EQ(manager.stats().misses, 2U);
  expect_ledger_balances(manager, mock);
}

TEST(Retire, ABufferReturnedAfterItsStreamWentIsReusedOnceTheWorkIsDone) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  std::optional<Stream> goes = mock.device().make_stream();
  Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, *goes);
  const NativeHandle first = buffer.native_handle();
  launch(*goes, [] {});
  goes.reset();
  buffer.reset();
  Buffer other = manager.get_buffer(1000);
  EXPECT_NE(other.native_handle(), first);
  mock.complete_all();
  EXPECT_EQ(manager.get_buffer(1000).native_handle(), first);
}

TEST(Retire, ABufferReturnedAfterItsStreamWasClosedIsReusedAtOnce) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  std::optional<Stream> goes = mock.device().make_stream();
  Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, *goes);
  const std::shared_ptr<StreamState> state = shared_state_of(*goes);
  goes.reset();
  mock.complete_all();
  state_of(mock.device()).reap();
  EXPECT_EQ(state->native_handle(), NativeHandle{}) << "closed";
  const NativeHandle first = buffer.native_handle();
  buffer.reset();
  EXPECT_EQ(manager.get_buffer(1000).native_handle(), first);
}

TEST(Retire, ABufferReturnedAfterItsAdoptedStreamWasClosedIsReusedAtOnce) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  const Stream owner = mock.device().make_stream();
  for (int i = 0; i < 5; ++i) {
    std::optional<Stream> adopted = mock.device().adopt_stream(owner.native_handle());
    Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, *adopted);
    const std::shared_ptr<StreamState> state = shared_state_of(*adopted);
    adopted.reset();
    mock.complete_all();
    state_of(mock.device()).reap();
    EXPECT_EQ(state->native_handle(), NativeHandle{}) << "closed";
  }
  EXPECT_EQ(manager.stats().misses, 1U);
  manager.trim();
  EXPECT_EQ(mock.live_allocations(), 0U) << "nothing is taken and all work is over";
}

TEST(Retire, AClosedStreamHasPassedEveryMarkerAndSaysSo) {
  for (const bool waits : {false, true}) {
    MockDevice mock;
    std::optional<Stream> goes = mock.device().make_stream();
    const std::shared_ptr<StreamState> state = shared_state_of(*goes);
    goes.reset();
    ASSERT_TRUE(state->reap());
    const Ticket next = state->next();
    if (waits) {
      state->wait(next.serial);
    } else {
      EXPECT_TRUE(state->is_complete(next.serial));
    }
    EXPECT_TRUE(state->has_passed(next.serial)) << "or loose memory that names it is never used";
  }
}

TEST(Retire, AnAdoptedStreamIsNotMarkedAfterItsLastHandleWent) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  const Stream owner = mock.device().make_stream();
  std::optional<Stream> adopted = mock.device().adopt_stream(owner.native_handle());
  Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, *adopted);
  adopted.reset();
  const std::uint64_t signals = mock.count(MockCall::signal);
  buffer.reset();
  EXPECT_EQ(mock.count(MockCall::signal), signals) << "its owner may have ended it";
  mock.complete_all();
}

TEST(Retire, TheMarkerIsRecordedWhenTheLastHandleGoes) {
  MockDevice mock;
  std::optional<Stream> goes = mock.device().make_stream();
  std::optional<Stream> copy = goes;
  const std::shared_ptr<StreamState> state = shared_state_of(*goes);
  launch(*goes, [] {});
  const Ticket before = state->stamp();
  goes.reset();
  EXPECT_EQ(mock.count(MockCall::signal), 0U) << "a handle is left";
  copy.reset();
  EXPECT_EQ(mock.count(MockCall::signal), 1U);
  EXPECT_FALSE(state->is_complete(before.serial));
  EXPECT_EQ(mock.count(MockCall::signal), 1U) << "the marker covers what was stamped before";
  mock.complete_all();
  EXPECT_TRUE(state->is_complete(before.serial));
}

TEST(Retire, TheMarkerIsRecordedThoughTheDeviceIsClosed) {
  const auto backend = std::make_shared<test::ScriptedDevice>();
  std::optional<Device> device = DeviceAccess::make(make_shared_here<DeviceState>(backend));
  std::optional<Stream> goes = device->make_stream();
  state_of(*goes).submit(std::make_shared<Submission>());
  device.reset();
  EXPECT_TRUE(backend->streams[0]->signals.empty());
  goes.reset();
  EXPECT_EQ(backend->streams[0]->signals.size(), 1U) << "nobody looks at it any more";
}

TEST(Retire, ItsWorkStillRunsAndItIsClosedOnlyAfterIt) {
  MockDevice mock;
  bool ran = false;
  std::optional<Stream> goes = mock.device().make_stream();
  const std::shared_ptr<StreamState> state = shared_state_of(*goes);
  launch(*goes, [&] { ran = true; });
  goes.reset();
  EXPECT_FALSE(state->reap());
  EXPECT_NE(state->native_handle(), NativeHandle{});
  EXPECT_TRUE(mock.step());
  EXPECT_TRUE(ran);
  EXPECT_FALSE(state->reap()) << "its marker is not passed";
  mock.complete_all();
  EXPECT_TRUE(state->reap());
  EXPECT_EQ(state->native_handle(), NativeHandle{});
}

TEST(Retire, AStreamWithAHandleIsNeverClosed) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  EXPECT_FALSE(state_of(stream).reap());
  launch(stream, [] {});
  mock.complete_all();
}

TEST(Retire, MakingStreamsClosesThoseThatAreDone) {
  MockDevice mock;
  std::vector<std::weak_ptr<StreamState>> states;
  for (int i = 0; i < 50; ++i) {
    const Stream stream = mock.device().make_stream();
    launch(stream, [] {});
    states.emplace_back(shared_state_of(stream));
  }
  mock.complete_all();
  const Stream last = mock.device().make_stream();
  for (const std::weak_ptr<StreamState>& state : states) {
    EXPECT_TRUE(state.expired());
  }
}

TEST(Retire, AMarkerThatFailsAtTheEndLeavesTheStreamOpenUntilItIsDone) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  std::optional<Stream> goes = mock.device().make_stream();
  const std::shared_ptr<StreamState> state = shared_state_of(*goes);
  Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, *goes);
  const NativeHandle first = buffer.native_handle();
  bool ran = false;
  launch(*goes, [&] { ran = true; });
  buffer.reset();
  mock.fail(MockCall::signal, 1);
  goes.reset();
  EXPECT_FALSE(ran);
  const Buffer other = manager.get_buffer(1000);
  EXPECT_NE(other.native_handle(), first) << "the work that uses it has not run";
  mock.complete_all();
  EXPECT_TRUE(ran);
  EXPECT_EQ(manager.get_buffer(1000).native_handle(), first);
}

// A BackendStream may be closed while work runs: the contract says that its destructor may wait.
TEST(Retire, AStreamIsNotClosedWhileWorkSubmittedBeforeItsMarkerFailedStillRuns) {
  MockDevice mock;
  std::optional<Stream> goes = mock.device().make_stream();
  const std::shared_ptr<StreamState> state = shared_state_of(*goes);
  launch(*goes, [] {});
  mock.fail(MockCall::signal, 1);
  goes.reset();
  state->reap();
  EXPECT_NE(state->native_handle(), NativeHandle{}) << "its work has not run";
  mock.complete_all();
}

TEST(Retire, AnAdoptedStreamMarksAtTheFreeAndItsEndRecordsOnce) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  const Stream owner = mock.device().make_stream();
  std::optional<Stream> adopted = mock.device().adopt_stream(owner.native_handle());
  Buffer first = manager.get_buffer(1000, DeviceType::gpu, *adopted);
  Buffer second = manager.get_buffer(1000, DeviceType::gpu, *adopted);
  EXPECT_EQ(mock.count(MockCall::signal), 0U);
  first.reset();
  EXPECT_EQ(mock.count(MockCall::signal), 1U);
  second.reset();
  EXPECT_EQ(mock.count(MockCall::signal), 2U);
  adopted.reset();
  EXPECT_EQ(mock.count(MockCall::signal), 3U);
  mock.complete_all();
  const Buffer again = manager.get_buffer(1000, DeviceType::gpu, owner);
  EXPECT_EQ(manager.stats().misses, 2U);
  EXPECT_EQ(mock.count(MockCall::signal), 3U) << "no marker after the owner may have ended it";
}

TEST(Retire, MemoryOfAPoolThatGoesIsReleasedOnlyAfterItsUse) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  {
    MemoryManager manager(mock.device());
    Buffer used = manager.get_buffer(1000, DeviceType::gpu, stream);
    Buffer done = manager.get_buffer(1000);
    launch(stream, [bytes = test::bytes_of(used)] { bytes[999] = std::byte{1}; });
    mock.step(0);
  }
  mock.step(0);
  EXPECT_GE(mock.live_allocations(), 1U) << "its work has not run";
  mock.complete_all();
  state_of(mock.device()).reap();
  mock.complete_all();
  state_of(mock.device()).reap();
  EXPECT_EQ(mock.live_allocations(), 0U);
}

TEST(Retire, TheDeviceOutlivesNothingItStillOwes) {
  // The last user of the device closes it while memory waits for work that has not run.
  MockDeviceConfig config{.random_order = true, .seed = 21};
  std::optional<MockDevice> mock(config);
  std::optional<MemoryManager> manager(mock->device());
  std::optional<Stream> stream = mock->device().make_stream();
  bool ran = false;
  {
    Buffer buffer = manager->get_buffer(1000, DeviceType::gpu, *stream);
    launch(*stream, [&ran, bytes = test::bytes_of(buffer)] {
      bytes[999] = std::byte{1};  // Freed memory would be caught here by AddressSanitizer.
      ran = true;
    });
  }
  manager.reset();
  stream.reset();
  mock.reset();
  EXPECT_TRUE(ran) << "memory in use was released, or kept for ever";
}

TEST(Retire, ABackendStreamIsReleasedOutsideItsLock) {
  // Its destructor may wait for the stream's work, which may ask about the stream.
  class Asking final : public BackendStream {
   public:
    explicit Asking(std::weak_ptr<StreamState>* state) : state_(state) {}
    ~Asking() override {
      if (const auto state = state_->lock()) {
        static_cast<void>(state->is_capturing());  // Takes the lock.
      }
    }
    void submit(std::shared_ptr<Submission>) override {}
    void signal(MarkerSerial serial) override { passed_ = serial; }
    MarkerSerial completed() override { return passed_; }
    bool wait(MarkerSerial serial, std::chrono::nanoseconds) override { return passed_ >= serial; }
    void wait_for(BackendStream&, MarkerSerial) override {}
    [[nodiscard]] NativeHandle native_handle() override { return {HandleKind::stream, 1, 0}; }

   private:
    std::weak_ptr<StreamState>* state_;
    MarkerSerial passed_ = 0;
  };
  std::weak_ptr<StreamState> weak;
  const auto state = std::make_shared<StreamState>(std::make_shared<test::ScriptedDevice>(),
                                                   std::make_shared<Asking>(&weak),
                                                   StreamState::Owner::headrace);
  weak = state;
  state->retire();
  EXPECT_TRUE(state->reap());
  EXPECT_EQ(state->native_handle(), NativeHandle{});
}

}  // namespace
}  // namespace headrace::core
