// SPDX-License-Identifier: Apache-2.0
#include "core/device_state.h"
#include "core/memory_pool.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// A captured stream takes no markers, whoever asks: memory that its work uses waits until the
// capture is over, and what others do goes on or is refused, but breaks no capture.

namespace headrace::core {
namespace {

using test::block_of;
using test::code_of;
using test::comes_to_an_end;
using test::expect_ledger_balances;
using test::launch;
using test::on_thread;
using test::shared_state_of;
using test::state_of;
using test::wait_until;

class CapturedStreamTest : public testing::Test {
 protected:
  ~CapturedStreamTest() override { EXPECT_EQ(mock_.broken_captures(), 0U); }

  // Memory of a size that work on `stream` uses when it comes back.
  static NativeHandle use(MemoryManager& manager,
                          const Stream& stream,
                          std::size_t size,
                          DeviceType device_type = DeviceType::gpu) {
    const Buffer buffer = manager.get_buffer(size, device_type, stream);
    launch(stream, [] {});
    return buffer.native_handle();
  }
  void begin(const Stream& stream) { mock_.set_capturing(stream, true); }
  void end(const Stream& stream) { mock_.set_capturing(stream, false); }

  static constexpr std::size_t kSize = 4096;
  static constexpr std::size_t kLarge = std::size_t{3} << 20;
  MockDevice mock_{{.random_order = true, .seed = 3, .total_bytes = 4 * kLarge}};
  Stream a_ = mock_.device().make_stream();
  Stream b_ = mock_.device().make_stream();
  Stream c_ = mock_.device().make_stream();
};

TEST_F(CapturedStreamTest, ATakeWhoseMemoryACaptureMayUseIsRefusedAndServedAfterIt) {
  for (const std::size_t size : {kSize, kLarge}) {
    for (const DeviceType device_type : {DeviceType::gpu, DeviceType::cpu}) {
      for (const bool is_count : {false, true}) {
        if (is_count && size == kLarge) {
          continue;  // A cached one is a range of a segment and counts no more.
        }
        MemoryManager manager(mock_.device(),
                              test::Config{.byte_limit = is_count ? 0 : size,
                                           .count_limit = is_count ? std::size_t{1} : 0});
        const NativeHandle place = use(manager, a_, size, device_type);
        begin(a_);
        for (int i = 0; i < 3; ++i) {
          EXPECT_EQ(code_of([&] { manager.get_buffer(size, device_type, b_); }),
                    is_count ? ErrorCode::capacity : ErrorCode::out_of_memory);
          EXPECT_EQ(manager.stats().cached_bytes, size) << "it is still there";
        }
        end(a_);
        EXPECT_EQ(manager.get_buffer(size, device_type, b_).native_handle(), place);
        expect_ledger_balances(manager, mock_);
      }
    }
  }
}

TEST_F(CapturedStreamTest, ATakeWaitsForMemoryThatNoCaptureUses) {
  for (const std::size_t size : {kSize, kLarge}) {
    MockDevice mock;
    const Stream a = mock.device().make_stream();
    const Stream b = mock.device().make_stream();
    const Stream c = mock.device().make_stream();
    MemoryManager manager(mock.device(), test::Config{.byte_limit = 2 * size});
    NativeHandle place;
    {
      const Buffer older = manager.get_buffer(size, DeviceType::gpu, a);
      Buffer newer = manager.get_buffer(size, DeviceType::gpu, c);
      place = newer.native_handle();
      launch(a, [] {});
      launch(c, [] {});
      newer.reset();
    }
    mock.set_capturing(a, true);
    auto taken = on_thread([&] { return manager.get_buffer(size, DeviceType::gpu, b); });
    wait_until([&] {  // It may wait for c's work on the host, too, before it waits on b.
      mock.step(3);
      return taken.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
    EXPECT_EQ(taken.get().native_handle(), place);
    EXPECT_EQ(mock.broken_captures(), 0U);
    mock.set_capturing(a, false);
  }
}

TEST_F(CapturedStreamTest, AShortDeviceMarksNoCapturedStreamAndWaitsForNone) {
  MemoryManager manager(mock_.device());
  const Buffer all = manager.get_buffer(4 * kLarge, DeviceType::gpu, b_);
  launch(a_, [] {});
  begin(a_);
  const std::uint64_t signals = mock_.count(MockCall::signal);
  EXPECT_EQ(code_of([&] { manager.get_buffer(kSize, DeviceType::gpu, b_); }),
            ErrorCode::out_of_memory);
  EXPECT_EQ(mock_.count(MockCall::host_wait), 0U);
  EXPECT_EQ(mock_.count(MockCall::signal), signals);
  end(a_);
}

TEST_F(CapturedStreamTest, ATensorThatACaptureMayWriteCannotBeReadElsewhere) {
  MemoryManager manager(mock_.device());
  const std::vector<std::int32_t> values(16, 7);
  Tensor source(manager, Shape{16}, DataType::int32, DeviceType::gpu, a_);
  source.copy_from(values);
  const Tensor written = source.deep_copy(a_);
  Tensor target(manager, Shape{16}, DataType::int32, DeviceType::gpu, b_);
  begin(a_);
  const std::uint64_t submissions = mock_.count(MockCall::submit);
  EXPECT_EQ(code_of([&] { target.copy_from(written, b_); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { written.wait_on(b_); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(written.to_vector<std::int32_t>()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(mock_.count(MockCall::submit), submissions) << "nothing was changed";
  end(a_);
  target.copy_from(written, b_);
  EXPECT_EQ(target.to_vector<std::int32_t>(), values);
}

// A write under way, which waited for less, must not make forgotten what the refused one left.
TEST_F(CapturedStreamTest, AWriteThatIsRefusedDidNotWaitForTheCapture) {
  MockDevice mock;
  const Stream a = mock.device().make_stream();
  const Stream b = mock.device().make_stream();
  const Stream c = mock.device().make_stream();
  MemoryManager manager(mock.device());
  const Buffer buffer = manager.get_buffer(kSize);
  block_of(buffer).before_write(state_of(b));
  launch(a, [] {});
  block_of(buffer).record_use(state_of(a));
  mock.set_capturing(a, true);
  EXPECT_EQ(code_of([&] { block_of(buffer).before_write(state_of(b)); }),
            ErrorCode::invalid_argument);
  launch(b, [] {});
  block_of(buffer).after_write(state_of(b).point());
  mock.set_capturing(a, false);
  block_of(buffer).before_write(state_of(c));
  EXPECT_EQ(mock.count(MockCall::wait_for), 2U) << "of a and of b";
}

TEST_F(CapturedStreamTest, ACapturedStreamWaitsForNoOther) {
  MockDevice mock;
  const Stream a = mock.device().make_stream();
  const Stream b = mock.device().make_stream();
  launch(b, [] {});
  const Ticket other = state_of(b).mark();
  mock.set_capturing(a, true);
  EXPECT_EQ(code_of([&] { state_of(a).wait_on(other); }), ErrorCode::invalid_argument);
  EXPECT_EQ(mock.count(MockCall::wait_for), 0U);
  mock.complete_all();
  state_of(a).wait_on(other);  // It is over.
  EXPECT_EQ(mock.count(MockCall::wait_for), 0U);
}

TEST_F(CapturedStreamTest, AnAdoptedStreamIsMarkedByNoUseFreeOrEnd) {
  MemoryManager manager(mock_.device());
  std::optional<Stream> adopted = mock_.device().adopt_stream(a_.native_handle());
  const std::shared_ptr<StreamState> state = shared_state_of(*adopted);
  const Buffer used = manager.get_buffer(kSize);
  std::optional<Buffer> freed = manager.get_buffer(kSize, DeviceType::gpu, *adopted);
  const NativeHandle place = freed->native_handle();
  begin(a_);
  block_of(used).record_use(*state);
  block_of(used).note_use(*state);
  block_of(used).after_read(state->point());
  block_of(used).after_write(state->point());
  freed.reset();
  EXPECT_NE(manager.get_buffer(kSize, DeviceType::gpu, b_).native_handle(), place);
  EXPECT_FALSE(block_of(used).wait_to_write(std::chrono::nanoseconds(1)));
  adopted.reset();
  EXPECT_FALSE(state->reap()) << "its last work has no marker yet";
  end(a_);
  EXPECT_TRUE(block_of(used).wait_to_write(std::chrono::hours(1)));
  wait_until([&] { return state->reap(); });
  EXPECT_EQ(state->native_handle(), NativeHandle{}) << "closed";
  const std::vector<Buffer> buffers = [&] {
    std::vector<Buffer> all;
    all.push_back(manager.get_buffer(kSize, DeviceType::gpu, b_));
    all.push_back(manager.get_buffer(kSize, DeviceType::gpu, b_));
    return all;
  }();
  EXPECT_TRUE(buffers[0].native_handle() == place || buffers[1].native_handle() == place);
}

TEST_F(CapturedStreamTest, AHostWaitWithATimeLimitWaitsForTheEndOfTheCapture) {
  launch(a_, [] {});
  const Ticket last = state_of(a_).next();
  begin(a_);
  EXPECT_FALSE(last.stream->wait(last.serial, std::chrono::milliseconds(2)));
  EXPECT_EQ(code_of([&] { last.stream->wait(last.serial); }), ErrorCode::invalid_argument);
  auto waiting = on_thread([&] { return last.stream->wait(last.serial, std::chrono::hours(1)); });
  end(a_);
  ASSERT_TRUE(comes_to_an_end(waiting));
  EXPECT_TRUE(waiting.get());
}

TEST_F(CapturedStreamTest, TheDeviceWaitsForOthersAndSaysThatItWasNotAll) {
  MemoryManager manager(mock_.device());
  bool ran = false;
  launch(a_, [] {});
  launch(b_, [&] { ran = true; });
  begin(a_);
  EXPECT_EQ(code_of([&] { mock_.device().synchronize(); }), ErrorCode::invalid_argument);
  EXPECT_TRUE(ran);
  EXPECT_EQ(code_of([&] { a_.synchronize(); }), ErrorCode::invalid_argument);
  end(a_);
  mock_.device().synchronize();
  EXPECT_EQ(mock_.pending(), 0U);
  const CaptureScope scope(manager, c_);
  mock_.device().synchronize();  // All that c was given has its marker.
}

// --- A scope keeps markers out from its first to its last moment.

TEST_F(CapturedStreamTest, WithAScopeACaptureMayBeginWhileOthersLook) {
  const auto backend = std::make_shared<test::ScriptedDevice>();
  const Device device = DeviceAccess::make(make_shared_here<DeviceState>(backend));
  const Stream a = device.make_stream();
  test::ScriptedStream& stream = *backend->streams.back();
  MemoryManager manager(device);
  const CaptureScope scope(manager, a);
  state_of(a).submit(std::make_shared<Submission>());
  const Ticket used = state_of(a).stamp();
  stream.on_look = [&stream] { stream.capturing = true; };  // Right after it was answered.
  EXPECT_FALSE(used.stream->is_complete(used.serial));
  EXPECT_FALSE(state_of(device).synchronize());
  EXPECT_TRUE(stream.signals.empty()) << "a marker came into the capture";
}

TEST_F(CapturedStreamTest, AScopeMarksWhatWasBeforeItSoThatOthersNeedNotWaitForItsEnd) {
  MemoryManager manager(mock_.device(), test::Config{.byte_limit = kSize});
  const NativeHandle place = use(manager, a_, kSize);
  const CaptureScope scope(manager, a_);
  begin(a_);
  EXPECT_EQ(manager.get_buffer(kSize, DeviceType::gpu, b_).native_handle(), place);
  end(a_);
}

TEST_F(CapturedStreamTest, AfterTheLastScopesCaptureTheStreamTakesMarkersAgain) {
  std::optional<MemoryManager> managers[2]{MemoryManager(mock_.device()),
                                           MemoryManager(mock_.device())};
  CommandBufferPool commands(a_, 1);
  std::optional<CaptureScope> first(std::in_place, *managers[0], a_);
  CaptureScope second(*managers[1], a_);
  launch(a_, [] {});
  for (const bool is_first : {true, false}) {
    EXPECT_EQ(code_of([&] { a_.synchronize(); }), ErrorCode::invalid_argument);
    CommandBuffer buffer = commands.get_buffer();
    EXPECT_EQ(code_of([&] { commands.execute_async(std::move(buffer)); }),
              ErrorCode::invalid_argument);
    EXPECT_TRUE(buffer);
    commands.return_buffer(std::move(buffer));
    if (is_first) {
      first.reset();
    }
  }
  second.end_capture();
  second.end_capture();
  a_.synchronize();
  EXPECT_EQ(mock_.pending(), 0U);
  commands.execute_async(commands.get_buffer()).wait();
}

TEST_F(CapturedStreamTest, StressOfOthersBesideCapturesBreaksNoneAndStrandsNothing) {
  MemoryManager manager(mock_.device(), test::Config{.byte_limit = 8 * kSize});
  std::atomic<bool> is_over = false;
  std::vector<std::jthread> threads;
  for (const Stream& stream : {b_, c_}) {
    threads.emplace_back([this, &manager, &is_over, stream] {
      std::vector<Buffer> held;
      while (!is_over) {
        try {
          held.push_back(manager.get_buffer(kSize, DeviceType::gpu, stream));
          launch(stream, [] {});
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
        }
        if (held.size() > 3) {
          held.clear();
          manager.trim();
          static_cast<void>(state_of(mock_.device()).synchronize());
        }
      }
    });
  }
  for (int i = 0; i < 500; ++i) {
    std::optional<Buffer> before;
    try {
      before = manager.get_buffer(kSize, DeviceType::gpu, a_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
    }
    launch(a_, [] {});
    CaptureScope scope(manager, a_);
    launch(a_, [] {});
    begin(a_);
    before.reset();
    std::this_thread::yield();
    end(a_);
    scope.end_capture();
  }
  is_over = true;
  threads.clear();
  mock_.device().synchronize();
  manager.trim();
  EXPECT_EQ(mock_.live_allocations(), 0U);
  expect_ledger_balances(manager, mock_);
}

TEST(CapturedStream, ADeviceThatClosesKeepsWhatACaptureMayUseUntilItIsOver) {
  const auto backend = std::make_shared<test::ScriptedDevice>();
  std::optional<Device> device = DeviceAccess::make(make_shared_here<DeviceState>(backend));
  std::optional<Stream> a = device->make_stream();
  const std::shared_ptr<test::ScriptedStream> stream = backend->streams.back();
  std::atomic<int> looks = 0;
  stream->on_look = [&looks] { ++looks; };
  {
    MemoryManager manager(*device);
    const Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, *a);
    state_of(*a).submit(std::make_shared<Submission>());
    stream->capturing = true;
  }
  looks = 0;
  device.reset();
  wait_until([&] { return looks > 5 || backend->live == 0; });
  EXPECT_EQ(backend->live, 1) << "a capture may use it";
  EXPECT_TRUE(stream->signals.empty());
  stream->capturing = false;
  wait_until([&] { return backend->live == 0; });
  a.reset();
}

}  // namespace
}  // namespace headrace::core
