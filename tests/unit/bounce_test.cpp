// SPDX-License-Identifier: Apache-2.0
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

// Large tensors go in chunks between the host and memory that it does not see. Here the device does
// a step when it is told to, so that a test sees what is asked of it before that.

namespace headrace::core {
namespace {

using test::code_of;
using test::on_thread;
using test::wait_until;

constexpr std::size_t kChunk = std::size_t{4} << 20;
constexpr std::size_t kBuffers = 3;
constexpr std::size_t kChunks = 5;

std::vector<std::uint8_t> pattern(std::size_t bytes, unsigned seed = 0) {
  std::vector<std::uint8_t> values(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    values[i] = static_cast<std::uint8_t>((i + seed) * 2654435761U >> 13);
  }
  return values;
}

class BounceTest : public testing::Test {
 protected:
  /// Runs the copy that is next, and the marker behind it.
  void run_a_chunk() {
    ASSERT_TRUE(mock_.step());
    ASSERT_TRUE(mock_.step());
  }
  [[nodiscard]] Tensor tensor(std::size_t bytes) const {
    return {manager_, Shape{static_cast<std::int64_t>(bytes)}, DataType::uint8};
  }
  void wait_for_copies(std::uint64_t count) const {
    wait_until([&] { return mock_.count(MockCall::copy) >= count; });
    EXPECT_EQ(mock_.count(MockCall::copy), count);
  }

  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
};

TEST_F(BounceTest, TheHostFillsABufferAsSoonAsTheDeviceHasReadIt) {
  Tensor target = tensor(kChunks * kChunk);
  const std::vector<std::uint8_t> values = pattern(target.size_bytes());
  auto copied = on_thread([&] { target.copy_from(values); });
  for (std::size_t sent = kBuffers; sent < kChunks; ++sent) {
    wait_for_copies(sent);
    run_a_chunk();  // Of the chunks that are on their way, one.
  }
  copied.get();  // The last chunks are still on their way, their source is read.
  wait_for_copies(kChunks);
  EXPECT_GT(mock_.pending(), 0U);
  mock_.complete_all();
  auto read = on_thread([&] { return target.to_vector<std::uint8_t>(); });
  for (std::size_t asked = kBuffers; asked <= kChunks; ++asked) {
    wait_for_copies(kChunks + asked);
    run_a_chunk();
  }
  run_a_chunk();
  run_a_chunk();
  EXPECT_EQ(read.get(), values);
}

TEST_F(BounceTest, TakesAFewBuffersHoweverLargeTheTensorIs) {
  Tensor target = tensor(kChunks * kChunk);
  const std::size_t before = manager_.stats().current_buffers;
  auto copied = on_thread([&] { target.copy_from(pattern(target.size_bytes())); });
  wait_for_copies(kBuffers);
  EXPECT_EQ(manager_.stats().current_buffers, before + kBuffers);
  for (std::size_t sent = kBuffers; sent < kChunks; ++sent) {
    wait_for_copies(sent);
    run_a_chunk();
  }
  copied.get();
  EXPECT_EQ(manager_.stats().current_buffers, before);
}

TEST_F(BounceTest, AChunkIsOneSubmissionWithoutAMarker) {
  Tensor target = tensor(kChunk);
  target.copy_from(pattern(kChunk));
  EXPECT_EQ(mock_.count(MockCall::copy), 1U);
  EXPECT_EQ(mock_.count(MockCall::signal), 0U);
}

// In a capture nobody can wait for a buffer to be free.
TEST_F(BounceTest, InACaptureTheCopyIsOne) {
  Tensor target = tensor(kChunks * kChunk);
  mock_.set_capturing(true);
  target.copy_from(pattern(target.size_bytes()));
  mock_.set_capturing(false);
  EXPECT_EQ(mock_.count(MockCall::copy), 1U);
  EXPECT_EQ(mock_.broken_captures(), 0U);
}

TEST(BounceFaultTest, BuffersThatCannotBeHadLeaveTheTargetAsItWas) {
  MockDevice mock({.random_order = true, .seed = 41});
  MemoryManager manager(mock.device());
  Tensor target(manager, Shape{kChunks * kChunk}, DataType::uint8);
  const std::vector<std::uint8_t> before = pattern(target.size_bytes(), 1);
  target.copy_from(before);
  mock.complete_all();
  manager.trim();
  const std::uint64_t copies = mock.count(MockCall::copy);
  mock.fail(MockCall::allocate, 1, ErrorCode::internal);
  EXPECT_EQ(code_of([&] { target.copy_from(pattern(target.size_bytes(), 2)); }),
            ErrorCode::internal);
  EXPECT_EQ(mock.count(MockCall::copy), copies);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), before);
}

TEST(BounceFaultTest, AFailureHalfWayLeavesTensorAndPoolUsable) {
  for (const MockCall call :
       {MockCall::submit, MockCall::copy, MockCall::signal, MockCall::host_wait}) {
    for (std::uint64_t nth = 1; nth <= 2; ++nth) {
      SCOPED_TRACE(static_cast<int>(call));
      MockDevice mock({.random_order = true, .seed = 42});
      MemoryManager manager(mock.device());
      Tensor tensor(manager, Shape{kChunks * kChunk}, DataType::uint8);
      const std::vector<std::uint8_t> values = pattern(tensor.size_bytes(), 3);
      mock.fail(call, nth, ErrorCode::internal);
      EXPECT_EQ(code_of([&] { tensor.copy_from(values); }), ErrorCode::internal);
      tensor.copy_from(values);
      mock.fail(call, nth, ErrorCode::internal);
      EXPECT_EQ(code_of([&] { static_cast<void>(tensor.to_vector<std::uint8_t>()); }),
                ErrorCode::internal);
      EXPECT_EQ(tensor.to_vector<std::uint8_t>(), values);
      EXPECT_EQ(manager.stats().current_buffers, 1U);
    }
  }
}

}  // namespace
}  // namespace headrace::core
