// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

// Two devices of one backend that reach each other: tensors are copied between them on the device,
// and their streams are ordered there. The host waits for none of it.

namespace headrace::test {
namespace {

constexpr std::int64_t kCount = 4096;

std::vector<std::int32_t> all(std::int32_t value, std::int64_t count = kCount) {
  return std::vector<std::int32_t>(static_cast<std::size_t>(count), value);
}

/// Devices of which there may be two that reach each other.
std::vector<std::string> joined_device_names() {
  std::vector<std::string> names = device_names();
  std::erase_if(names,
                [](const std::string& name) { return name == "host" || name.starts_with("mock"); });
  return names;
}

class PeerTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    const DeviceInfo mine = device_.info();
    const std::vector<DeviceInfo> devices = list_devices();
    const auto found = std::ranges::find_if(devices, [&mine](const DeviceInfo& info) {
      return info.backend == mine.backend && info.index != mine.index;
    });
    if (found == devices.end()) {
      GTEST_SKIP() << "backend " << mine.backend << " has one device here; two are needed";
    }
    other_ = open_device(found->spec);
    other_manager_ = MemoryManager(other_);
    stream_ = device_.make_stream();
    other_stream_ = other_.make_stream();
    warm_up();
  }
  void TearDown() override {
    pools_.clear();
    stream_ = {};
    other_stream_ = {};
    other_manager_ = {};
    other_ = {};
    DeviceTest::TearDown();
  }

  /// What CUDA does once, and may wait for a held stream in: it opens the ways between the devices
  /// and loads the kernel that copies.
  void warm_up() const {
    const Tensor near = here(0);
    Tensor far = there(0);
    for (const Stream& stream : {stream_, other_stream_}) {
      far.copy_from(near, stream);
    }
    static_cast<void>(near.deep_copy());
    static_cast<void>(far.deep_copy());
    device_.synchronize();
    other_.synchronize();
  }

  [[nodiscard]] static Tensor filled(const MemoryManager& manager,
                                     std::int32_t value,
                                     DeviceType device_type = DeviceType::gpu) {
    Tensor tensor(manager, {kCount}, DataType::int32, device_type);
    tensor.copy_from(all(value));
    manager.device().synchronize();
    return tensor;
  }
  [[nodiscard]] Tensor here(std::int32_t value) const { return filled(manager_, value); }
  [[nodiscard]] Tensor there(std::int32_t value) const { return filled(other_manager_, value); }

  /// Sets all elements, on `stream`. The pools stay, for one that goes waits for its work.
  void fill(const Tensor& tensor, double value, const Stream& stream) {
    pools_.push_back(std::make_unique<CommandBufferPool>(stream, 1));
    CommandBuffer commands = pools_.back()->get_buffer();
    commands.fill(tensor, value);
    pools_.back()->execute_async(std::move(commands));
  }

  static Completion launch(CommandBufferPool& pool) {
    CommandBuffer commands = pool.get_buffer();
    commands.launch([](const Stream&) {});
    return pool.execute_async(std::move(commands));
  }

  Device other_;
  MemoryManager other_manager_;
  Stream stream_;
  Stream other_stream_;
  std::vector<std::unique_ptr<CommandBufferPool>> pools_;
};
INSTANTIATE_TEST_SUITE_P(Device, PeerTest, testing::ValuesIn(joined_device_names()), device_name);

TEST_P(PeerTest, EveryKindOfMemoryIsCopiedBothWaysOnStreamsOfBoth) {
  const std::vector<DeviceType> kinds{DeviceType::gpu, DeviceType::cpu, DeviceType::persistent_gpu};
  std::int32_t value = 1;
  for (const DeviceType from : kinds) {
    for (const DeviceType to : kinds) {
      for (const Stream& stream : {Stream(), stream_, other_stream_}) {
        Tensor far(other_manager_, {kCount}, DataType::int32, to);
        Tensor back(manager_, {kCount}, DataType::int32, to);
        const std::vector<std::int32_t> values = sequence<std::int32_t>(kCount, value++);
        Tensor near(manager_, {kCount}, DataType::int32, from);
        near.copy_from(values);
        far.copy_from(near, stream);
        back.copy_from(far, stream);
        EXPECT_EQ(far.to_vector<std::int32_t>(), values);
        EXPECT_EQ(back.to_vector<std::int32_t>(), values);
      }
    }
  }
}

TEST_P(PeerTest, PartsAtAnyPlaceAndOfAnySize) {
  const std::vector<std::uint8_t> values = [] {
    std::vector<std::uint8_t> bytes(5'000'003);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    }
    return bytes;
  }();
  const Tensor source = tensor_of(values);
  for (const auto& [begin, end] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {0, 1}, {3, 3}, {1, 18}, {16, 4112}, {5, 70'002}, {0, 5'000'003}}) {
    const Tensor target(other_manager_, {end - begin + 13}, DataType::uint8);
    target.slice(13, end - begin + 13).copy_from(source.slice(begin, end));
    const auto result = target.slice(13, end - begin + 13).to_vector<std::uint8_t>();
    EXPECT_TRUE(std::equal(result.begin(), result.end(), values.begin() + begin))
        << begin << " to " << end;
  }
}

TEST_P(PeerTest, ACopyWaitsForTheSourcesWriterAndTheHostDoesNot) {
  for (const bool pulls : {true, false}) {
    const Tensor source = here(1);
    Tensor target = there(0);
    Gate gate(can_hold());
    gate.hold(stream_);
    fill(source, 2, stream_);
    target.copy_from(source, pulls ? other_stream_ : device_.make_stream());
    gate.open();
    EXPECT_EQ(target.to_vector<std::int32_t>(), all(2));
  }
}

TEST_P(PeerTest, ACopyWaitsForThoseWhoUseTheTarget) {
  for (const bool pulls : {true, false}) {
    const Tensor source = here(1);
    Tensor target = there(0);
    Gate gate(can_hold());
    gate.hold(other_stream_);
    const Tensor before = target.deep_copy(other_stream_);
    fill(target, 3, other_stream_);
    target.copy_from(source, pulls ? other_.make_stream() : stream_);
    gate.open();
    EXPECT_EQ(target.to_vector<std::int32_t>(), all(1));
    EXPECT_EQ(before.to_vector<std::int32_t>(), all(0));
  }
}

TEST_P(PeerTest, TheSourceIsNotWrittenBeforeTheCopy) {
  Tensor target = there(0);
  const Tensor source = here(1);
  Gate gate(can_hold());
  gate.hold(other_stream_);
  target.copy_from(source, other_stream_);
  fill(source, 2, stream_);
  gate.open();
  EXPECT_EQ(target.to_vector<std::int32_t>(), all(1));
  EXPECT_EQ(source.to_vector<std::int32_t>(), all(2));
}

TEST_P(PeerTest, TheTargetIsNotReadBeforeTheCopy) {
  Tensor target = there(0);
  const Tensor source = here(1);
  Gate gate(can_hold());
  gate.hold(stream_);
  target.copy_from(source, stream_);
  const Tensor copy = target.deep_copy(other_stream_);
  Tensor back(manager_, {kCount}, DataType::int32);
  back.copy_from(target, device_.make_stream());
  gate.open();
  EXPECT_EQ(copy.to_vector<std::int32_t>(), all(1));
  EXPECT_EQ(back.to_vector<std::int32_t>(), all(1));
}

TEST_P(PeerTest, MemoryThatACopyReadsGoesToNobodyBeforeItsEnd) {
  Tensor target = there(0);
  Tensor source = here(1);
  const NativeHandle place = source.native_handle();
  Gate gate(can_hold());
  gate.hold(other_stream_);
  target.copy_from(source, other_stream_);
  source.release();
  std::vector<Tensor> takers;
  for (const Stream& stream : {Stream(), stream_, device_.make_stream()}) {
    takers.emplace_back(manager_, Shape{kCount}, DataType::int32, DeviceType::gpu, stream);
    EXPECT_NE(takers.back().native_handle(), place);
    fill(takers.back(), 9, stream ? stream : device_.default_stream());
  }
  gate.open();
  EXPECT_EQ(target.to_vector<std::int32_t>(), all(1));
}

TEST_P(PeerTest, ATakerThatMustHaveTheMemoryWaitsForTheCopyOnTheDevice) {
  const MemoryManager small = make_manager({.count_limit = 1, .pressure_callback = {}});
  Tensor target = there(0);
  Tensor source = filled(small, 1);
  Gate gate(can_hold());
  gate.hold(other_stream_);
  target.copy_from(source, other_stream_);
  source.release();
  const Tensor next(small, {kCount}, DataType::int32, DeviceType::gpu, stream_);
  fill(next, 2, stream_);
  EXPECT_EQ(small.stats().stream_waits, 1U);
  gate.open();
  EXPECT_EQ(target.to_vector<std::int32_t>(), all(1));
  EXPECT_EQ(next.to_vector<std::int32_t>(), all(2));
}

TEST_P(PeerTest, AManagerMayGoBeforeTheCopyOfItsMemory) {
  Tensor target = there(0);
  MemoryManager brief = make_manager();
  Tensor source = filled(brief, 1);
  Gate gate(can_hold());
  gate.hold(other_stream_);
  target.copy_from(source, other_stream_);
  // CUDA gives no memory back before all work is done.
  const std::jthread opener = gate.open_later();
  source.release();
  brief = {};
  EXPECT_EQ(target.to_vector<std::int32_t>(), all(1));
}

TEST_P(PeerTest, AStreamWaitsForACompletionOfTheOtherDevice) {
  Gate gate(can_hold());
  gate.hold(stream_);
  CommandBufferPool first(stream_, 1);
  CommandBufferPool second(other_stream_, 1);
  other_stream_.wait_for(launch(first));
  const Completion after = launch(second);
  EXPECT_FALSE(after.is_done());
  gate.open();
  after.wait();
}

TEST_P(PeerTest, ARecordedUseByTheOtherDeviceKeepsMemory) {
  Tensor tensor = here(1);
  Buffer buffer = manager_.get_buffer(1 << 20, DeviceType::gpu);
  manager_.get_buffer(1 << 20, DeviceType::gpu).reset();  // there is room for another
  const NativeHandle tensors = tensor.native_handle();
  const NativeHandle buffers = buffer.native_handle();
  Gate gate(can_hold());
  gate.hold(other_stream_);
  tensor.record_use(other_stream_);
  buffer.record_use(other_stream_);
  tensor.release();
  buffer.reset();
  EXPECT_NE(Tensor(manager_, {kCount}, DataType::int32).native_handle(), tensors);
  EXPECT_NE(manager_.get_buffer(1 << 20, DeviceType::gpu).native_handle(), buffers);
  gate.open();
}

TEST_P(PeerTest, TheOtherDevicesStreamWaitsOnATensor) {
  const Tensor tensor = here(1);
  Gate gate(can_hold());
  gate.hold(stream_);
  fill(tensor, 2, stream_);
  tensor.wait_on(other_stream_);
  CommandBufferPool pool(other_stream_, 1);
  const Completion after = launch(pool);
  EXPECT_FALSE(after.is_done());
  gate.open();
  after.wait();
}

TEST_P(PeerTest, CommandBuffersCopyAlsoBesideLaunchesAndAgainAndAgain) {
  for (const bool with_launch : {false, true}) {
    for (const Stream& stream : {stream_, other_stream_}) {
      const Tensor near = here(0);
      const Tensor far = there(0);
      const bool is_near = stream == stream_;
      CommandBufferPool pool(stream, 1);
      for (std::int32_t turn = 1; turn <= 4; ++turn) {
        CommandBuffer commands = pool.get_buffer();
        commands.fill(is_near ? near : far, turn);
        if (with_launch) {
          commands.launch([](const Stream&) {});
        }
        commands.copy(is_near ? near : far, is_near ? far : near);
        commands.fill(is_near ? near : far, 0);
        commands.copy(is_near ? far : near, is_near ? near : far);
        pool.execute_async(std::move(commands)).wait();
        EXPECT_EQ(near.to_vector<std::int32_t>(), all(turn));
        EXPECT_EQ(far.to_vector<std::int32_t>(), all(turn));
      }
    }
  }
}

TEST_P(PeerTest, CommandBuffersWaitForWhatUsesTheOthersMemory) {
  const Tensor near = here(0);
  const Tensor far = there(1);
  Gate gate(can_hold());
  gate.hold(other_stream_);
  fill(far, 2, other_stream_);
  CommandBufferPool pool(stream_, 1);
  CommandBuffer commands = pool.get_buffer();
  commands.copy(far, near);
  const Completion completion = pool.execute_async(std::move(commands));
  fill(far, 3, other_.make_stream());
  EXPECT_FALSE(completion.is_done());
  gate.open();
  completion.wait();
  EXPECT_EQ(near.to_vector<std::int32_t>(), all(2));
  EXPECT_EQ(far.to_vector<std::int32_t>(), all(3));
}

TEST_P(PeerTest, OnlyCopiesMayNameTheOthersMemoryAndOneEndIsTheStreams) {
  const Tensor near = here(1);
  const Tensor far = there(2);
  const Tensor far_too = there(3);
  CommandBufferPool pool(stream_, 1);
  CommandBuffer commands = pool.get_buffer();
  const std::string place = other_.info().spec + ", 16384 bytes in a command buffer for ";
  for (const std::string& text : {text_of([&] { commands.fill(far, 1); }),
                                  text_of([&] { commands.convert(near, far); }),
                                  text_of([&] { commands.convert(far, near); }),
                                  text_of([&] { commands.copy(far, far_too); })}) {
    EXPECT_THAT(text, testing::HasSubstr(place + device_.info().spec + "."));
  }
  EXPECT_EQ(code_of([&] { static_cast<void>(near.deep_copy(other_stream_)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(near.convert_to(DataType::float32, other_stream_)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(100, DeviceType::gpu, other_stream_); }),
            ErrorCode::invalid_argument);
}

TEST_P(PeerTest, StreamsOfAThirdDeviceAreRefused) {
  const Tensor near = here(1);
  Tensor far = there(2);
  const MockDevice third;
  const Stream foreign = third.device().make_stream();
  EXPECT_EQ(code_of([&] { far.copy_from(near, foreign); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { far.record_use(foreign); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { far.wait_on(foreign); }), ErrorCode::invalid_argument);
  EXPECT_EQ(far.to_vector<std::int32_t>(), all(2));
}

// Values go round between the devices on streams of both, each hop on another one; temporaries are
// given back while they are in use.
TEST_P(PeerTest, ValuesGoRoundOnManyStreamsStress) {
  std::vector<Stream> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(device_.make_stream());
    streams.push_back(other_.make_stream());
  }
  std::vector<std::jthread> threads;
  for (std::int32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      CommandBufferPool pool(stream_, 2);
      Tensor near = here(t);
      for (std::size_t hop = 0; hop < 60; ++hop) {
        const Stream& out = streams[(hop + static_cast<std::size_t>(t)) % streams.size()];
        const Stream& home = streams[(hop * 5 + 1) % streams.size()];
        Tensor far(other_manager_, {kCount}, DataType::int32);
        far.copy_from(near, out);
        Tensor back(manager_, {kCount}, DataType::int32);
        back.copy_from(far, home);
        CommandBuffer commands = pool.get_buffer();
        commands.fill(near, -1);
        pool.execute_async(std::move(commands));
        near = back;
      }
      EXPECT_EQ(near.to_vector<std::int32_t>(), all(t));
    });
  }
  threads.clear();
}

}  // namespace
}  // namespace headrace::test
