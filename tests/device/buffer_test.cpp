// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <cstring>
#include <utility>

namespace headrace::test {
namespace {

class BufferTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(BufferTest);

TEST_P(BufferTest, KnowsWhatWasAskedAndWhatItHas) {
  const Buffer buffer = manager_.get_buffer(1000, DeviceType::persistent_gpu);
  EXPECT_TRUE(buffer);
  EXPECT_EQ(buffer.size(), 1000U);
  EXPECT_GE(buffer.capacity(), 1000U);
  EXPECT_EQ(buffer.device_type(), DeviceType::persistent_gpu);
  EXPECT_TRUE(buffer.native_handle());
}

TEST_P(BufferTest, DefaultMadeHoldsNothing) {
  const Buffer buffer;
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.size(), 0U);
  EXPECT_EQ(buffer.capacity(), 0U);
  EXPECT_EQ(buffer.native_handle().kind, HandleKind::none);
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(code_of([&] { buffer.record_use(device_.default_stream()); }),
            ErrorCode::invalid_argument);
}

TEST_P(BufferTest, OfZeroBytesIsValidAndTouchesNothing) {
  const MemoryStats before = manager_.stats();
  Buffer buffer = manager_.get_buffer(0);
  EXPECT_TRUE(buffer);
  EXPECT_EQ(buffer.size(), 0U);
  EXPECT_EQ(buffer.native_handle().kind, HandleKind::none);
  EXPECT_EQ(buffer.data(), nullptr);
  buffer.record_use(device_.default_stream());
  EXPECT_EQ(manager_.stats().current_buffers, before.current_buffers);
  EXPECT_EQ(manager_.stats().reserved_bytes, 0U);
  buffer.reset();
  EXPECT_FALSE(buffer);
}

TEST_P(BufferTest, MoveLeavesNothingBehind) {
  Buffer first = manager_.get_buffer(100);
  const NativeHandle handle = first.native_handle();
  Buffer second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(first.size(), 0U);
  EXPECT_EQ(second.native_handle(), handle);
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
}

TEST_P(BufferTest, AssignmentGivesTheOldMemoryBackOnce) {
  Buffer first = manager_.get_buffer(100);
  first = manager_.get_buffer(5000);
  EXPECT_EQ(first.size(), 5000U);
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
  EXPECT_EQ(manager_.stats().cached_buffers, 1U);
  Buffer& same = first;
  first = std::move(same);
  EXPECT_EQ(first.size(), 5000U);
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
}

TEST_P(BufferTest, ResetGivesBackOnce) {
  Buffer buffer = manager_.get_buffer(100);
  buffer.reset();
  buffer.reset();
  EXPECT_FALSE(buffer);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_EQ(manager_.stats().cached_buffers, 1U);
}

TEST_P(BufferTest, CpuMemoryIsTheHostsToWrite) {
  const Buffer buffer = manager_.get_buffer(300, DeviceType::cpu);
  ASSERT_NE(buffer.data(), nullptr);
  std::memset(buffer.data(), 7, buffer.capacity());
  EXPECT_EQ(static_cast<const char*>(buffer.data())[buffer.capacity() - 1], 7);
}

TEST_P(BufferTest, GpuMemoryIsSeenByTheHostOnlyWhereItIsUnified) {
  const Buffer buffer = manager_.get_buffer(300);
  if (is_unified()) {
    EXPECT_NE(buffer.data(), nullptr);
  } else {
    EXPECT_EQ(code_of([&] { static_cast<void>(buffer.data()); }), ErrorCode::unsupported);
  }
}

TEST_P(BufferTest, OutlivesItsManagerAndItsDevice) {
  Buffer buffer = manager_.get_buffer(300, DeviceType::cpu);
  manager_ = {};
  std::memset(buffer.data(), 1, 300);
  EXPECT_EQ(static_cast<const char*>(buffer.data())[299], 1);
  buffer.reset();
  manager_ = make_manager();
  EXPECT_TRUE(manager_.get_buffer(300));
}

TEST_P(BufferTest, RecordUseRefusesAStreamOfAnotherDevice) {
  const Buffer buffer = manager_.get_buffer(300);
  const MockDevice other;
  EXPECT_EQ(code_of([&] { buffer.record_use(other.device().default_stream()); }),
            ErrorCode::invalid_argument);
}

class HeldBufferTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldBufferTest);

TEST_P(HeldBufferTest, GetAfterReturnOnSameStreamReusesAtOnce) {
  const Stream stream = device_.make_stream();
  Gate gate(can_hold());
  Buffer buffer = manager_.get_buffer(4096, DeviceType::gpu, stream);
  const NativeHandle handle = buffer.native_handle();
  gate.hold(stream);
  buffer.reset();
  const Buffer again = manager_.get_buffer(4096, DeviceType::gpu, stream);
  EXPECT_EQ(again.native_handle(), handle);
  EXPECT_EQ(manager_.stats().hits, 1U);
}

TEST_P(HeldBufferTest, GetAfterReturnOnOtherStreamTakesOtherMemoryWhileTheFirstWorks) {
  const Stream stream = device_.make_stream();
  const Stream other = device_.make_stream();
  MemoryManagerConfig two;
  two.byte_limit = 2 * 4096;
  MemoryManager manager(device_, two);
  Gate gate(can_hold());
  Buffer buffer = manager.get_buffer(4096, DeviceType::gpu, stream);
  const NativeHandle handle = buffer.native_handle();
  gate.hold(stream);
  buffer.reset();
  const Buffer meanwhile = manager.get_buffer(4096, DeviceType::gpu, other);
  EXPECT_NE(meanwhile.native_handle(), handle);
  gate.open();
  stream.synchronize();
  const Buffer later = manager.get_buffer(4096, DeviceType::gpu, other);
  EXPECT_EQ(later.native_handle(), handle);
}

TEST_P(HeldBufferTest, RecordUseKeepsMemoryFromTheFirstStreamToo) {
  const Stream first = device_.make_stream();
  const Stream user = device_.make_stream();
  Gate gate(can_hold());
  Buffer buffer = manager_.get_buffer(4096, DeviceType::gpu, first);
  const NativeHandle handle = buffer.native_handle();
  gate.hold(user);
  buffer.record_use(user);
  buffer.reset();
  const Buffer meanwhile = manager_.get_buffer(4096, DeviceType::gpu, first);
  EXPECT_NE(meanwhile.native_handle(), handle);
}

TEST_P(HeldBufferTest, CpuMemoryIsNotGivenOutWhileTheDeviceUsesIt) {
  const Stream stream = device_.make_stream();
  Gate gate(can_hold());
  Buffer buffer = manager_.get_buffer(4096, DeviceType::cpu, stream);
  const NativeHandle handle = buffer.native_handle();
  gate.hold(stream);
  buffer.reset();
  // The same stream: work could use it at once, the host must not.
  const Buffer meanwhile = manager_.get_buffer(4096, DeviceType::cpu, stream);
  EXPECT_NE(meanwhile.native_handle(), handle);
  gate.open();
  stream.synchronize();
  const Buffer later = manager_.get_buffer(4096, DeviceType::cpu, stream);
  EXPECT_EQ(later.native_handle(), handle);
}

TEST_P(HeldBufferTest, OfAStreamThatIsGoneIsNotStranded) {
  Stream stream = device_.make_stream();
  Gate gate(can_hold());
  Buffer buffer = manager_.get_buffer(4096, DeviceType::gpu, stream);
  const NativeHandle handle = buffer.native_handle();
  gate.hold(stream);
  stream = {};
  buffer.reset();
  EXPECT_NE(manager_.get_buffer(4096).native_handle(), handle);
  const std::uint64_t reserved = manager_.stats().reserved_bytes;
  gate.open();
  device_.synchronize();
  EXPECT_EQ(manager_.trim(), reserved);
  EXPECT_EQ(manager_.stats().reserved_bytes, 0U);
}

}  // namespace
}  // namespace headrace::test
