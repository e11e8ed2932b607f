// SPDX-License-Identifier: Apache-2.0
// Limits of a pool, and what takers wait for when they are reached.
#include "core/memory_pool.h"
#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <optional>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::code_of;
using test::Config;
using test::expect_ledger_balances;
using test::launch;
using test::state_of;

constexpr std::size_t kSize = 1000;

class MemoryPoolLimits : public testing::Test {
 protected:
  // Takes a buffer on `stream`, gives it work there, and returns it. Says which memory it was.
  NativeHandle use(const Stream& stream, DeviceType type = DeviceType::gpu) {
    const Buffer buffer = manager_.get_buffer(kSize, type, stream);
    launch(stream, [] {});
    return buffer.native_handle();
  }
  void limit(const Config& config) { manager_ = MemoryManager(mock_.device(), config); }

  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
  Stream a_ = mock_.device().make_stream();
  Stream b_ = mock_.device().make_stream();
};

TEST_F(MemoryPoolLimits, ExactlyTheCountLimitExists) {
  limit(Config{.count_limit = 3});
  std::vector<Buffer> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(manager_.get_buffer(kSize));
  }
  EXPECT_EQ(code_of([&] { manager_.get_buffer(kSize); }), ErrorCode::capacity);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(5 * kSize); }), ErrorCode::capacity);
  EXPECT_EQ(manager_.stats().failures, 2U);
  held.pop_back();
  EXPECT_NO_THROW(held.push_back(manager_.get_buffer(kSize)));
  expect_ledger_balances(manager_, mock_);
}

TEST_F(MemoryPoolLimits, ExactlyTheByteLimitIsReserved) {
  MockDevice mock({.random_order = true, .seed = 4});
  MemoryManager manager(mock.device(), Config{.byte_limit = 4096});
  std::vector<Buffer> held;
  held.push_back(manager.get_buffer(3072));
  held.push_back(manager.get_buffer(1024));
  EXPECT_EQ(manager.stats().reserved_bytes, 4096U);
  EXPECT_EQ(code_of([&] { manager.get_buffer(1); }), ErrorCode::out_of_memory);
  held.pop_back();
  EXPECT_EQ(code_of([&] { manager.get_buffer(1025); }), ErrorCode::out_of_memory);
  EXPECT_NO_THROW(held.push_back(manager.get_buffer(256)));
  expect_ledger_balances(manager, mock);
}

TEST_F(MemoryPoolLimits, UnderTheCountLimitAStreamIsMadeToWaitForTheOldest) {
  limit(Config{.count_limit = 2});
  std::vector<NativeHandle> used;
  {
    std::vector<Buffer> both;
    both.push_back(manager_.get_buffer(kSize, DeviceType::gpu, a_));
    both.push_back(manager_.get_buffer(kSize, DeviceType::gpu, a_));
    launch(a_, [] {});
    for (Buffer& buffer : both) {
      used.push_back(buffer.native_handle());
      buffer.reset();
    }
  }
  bool ran = false;
  const Buffer buffer = manager_.get_buffer(kSize, DeviceType::gpu, b_);
  EXPECT_EQ(buffer.native_handle(), used[0]);
  EXPECT_EQ(manager_.stats().stream_waits, 1U);
  EXPECT_EQ(mock_.count(MockCall::wait_for), 1U);
  launch(b_, [&] { ran = true; });
  EXPECT_FALSE(mock_.step(2)) << "a has not run";
  mock_.complete_all();
  EXPECT_TRUE(ran);
}

TEST_F(MemoryPoolLimits, UnderTheCountLimitTheHostWaitsForCpuMemory) {
  limit(Config{.count_limit = 1});
  const NativeHandle first = use(a_, DeviceType::cpu);
  auto taking = test::on_thread(
      [&] { return manager_.get_buffer(kSize, DeviceType::cpu, a_).native_handle(); });
  test::wait_until([&] { return mock_.count(MockCall::host_wait) == 1; });
  mock_.complete_all();
  EXPECT_EQ(taking.get(), first);
  EXPECT_EQ(manager_.stats().host_waits, 1U);
  EXPECT_EQ(mock_.count(MockCall::allocate), 1U);
}

TEST_F(MemoryPoolLimits, BelowTheSoftLimitItGrowsRatherThanMakeAStreamWait) {
  limit(Config{.soft_byte_limit = 4096});
  for (int i = 0; i < 3; ++i) {
    use(i % 2 == 0 ? a_ : b_);  // The third finds the first's, on its own stream.
  }
  EXPECT_EQ(manager_.stats().misses, 2U);
  const Stream c = mock_.device().make_stream();
  const Stream d = mock_.device().make_stream();
  const NativeHandle of_c = use(c);
  const NativeHandle of_d = use(d);
  EXPECT_NE(of_c, of_d);
  EXPECT_EQ(manager_.stats().misses, 4U) << "up to the limit";
  EXPECT_EQ(manager_.stats().stream_waits, 0U);
  const Stream e = mock_.device().make_stream();
  use(e);
  EXPECT_EQ(manager_.stats().misses, 4U) << "above it";
  EXPECT_EQ(manager_.stats().stream_waits, 1U);
  mock_.complete_all();
}

TEST_F(MemoryPoolLimits, AboveTheSoftLimitItGrowsWhenThereIsNothingToWaitFor) {
  limit(Config{.soft_byte_limit = 1024});
  const Buffer first = manager_.get_buffer(kSize);
  const Buffer second = manager_.get_buffer(kSize);
  EXPECT_EQ(manager_.stats().misses, 2U);
}

TEST_F(MemoryPoolLimits, ASoftLimitAndALargeRequestDoNotWrap) {
  MockDevice mock({.random_order = true, .seed = 4});
  MemoryManager manager(mock.device(),
                        Config{.byte_limit = 1 << 20, .soft_byte_limit = ~std::size_t{0}});
  manager.get_buffer(kSize).reset();
  EXPECT_EQ(code_of([&] { manager.get_buffer(std::size_t{1} << 63); }), ErrorCode::out_of_memory);
  expect_ledger_balances(manager, mock);
}

TEST_F(MemoryPoolLimits, AFailedWaitPutsTheBlockBackAndCountsAFailure) {
  limit(Config{.count_limit = 1});
  const NativeHandle first = use(a_);
  mock_.fail(MockCall::wait_for, 1, ErrorCode::internal);
  EXPECT_EQ(code_of([&] { manager_.get_buffer(kSize, DeviceType::gpu, b_); }), ErrorCode::internal);
  expect_ledger_balances(manager_, mock_);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_EQ(manager_.stats().failures, 1U);
  // Its use on a is still known: b must wait for it.
  bool a_done = false;
  launch(a_, [&] { a_done = true; });
  const Buffer again = manager_.get_buffer(kSize, DeviceType::gpu, b_);
  EXPECT_EQ(again.native_handle(), first);
  EXPECT_EQ(mock_.count(MockCall::wait_for), 2U);
  mock_.complete_all();
  EXPECT_TRUE(a_done);
}

TEST_F(MemoryPoolLimits, TheHostDoesNotWaitForTheTakersOwnWork) {
  limit({.byte_limit = 4096});
  for (int i = 0; i < 50; ++i) {  // Serials of the one stream that the other has not reached.
    launch(a_, [] {});
    state_of(a_).mark();
  }
  mock_.complete_all();
  for (int i = 0; i < 2; ++i) {
    state_of(a_).mark();
    mock_.complete_all();
    const Buffer buffer = manager_.get_buffer(4096, DeviceType::cpu, a_);
    launch(a_, [] {});
  }
  launch(b_, [] {});
  const std::uint64_t before = mock_.count(MockCall::signal);
  auto taken = test::on_thread([this] { return manager_.get_buffer(4096, DeviceType::cpu, b_); });
  const auto is_taken = [&taken] {
    return taken.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready;
  };
  for (int i = 0; i < 5000 && !is_taken(); ++i) {
    mock_.step(1);  // Of the stream that used the memory, and no other.
  }
  EXPECT_TRUE(is_taken()) << "it waits for the taker's stream";
  EXPECT_LE(mock_.count(MockCall::signal) - before, 1U) << "of the stream that used it";
  while (!is_taken()) {
    mock_.step();
  }
  mock_.complete_all();
}

TEST_F(MemoryPoolLimits, AFailedWaitLeavesNoPointOfAnotherStreamBehind) {
  limit({.byte_limit = 4096});
  for (int i = 0; i < 50; ++i) {
    launch(a_, [] {});
    state_of(a_).mark();
  }
  mock_.complete_all();
  for (int i = 0; i < 2; ++i) {
    const Buffer buffer = manager_.get_buffer(4096, DeviceType::gpu, a_);
    launch(a_, [] {});
  }
  mock_.fail(MockCall::wait_for, 1);
  EXPECT_TRUE(code_of([&] { manager_.get_buffer(4096, DeviceType::gpu, b_); }).has_value());
  mock_.complete_all();
  const std::uint64_t before = mock_.count(MockCall::signal);
  manager_.trim();
  EXPECT_LE(mock_.count(MockCall::signal) - before, 2U) << "one a stream";
}

}  // namespace
}  // namespace headrace::core
