// SPDX-License-Identifier: Apache-2.0
#include "headrace/host_registration.h"

#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <span>
#include <vector>

// When a range of the caller's memory is unregistered. The device does a step when it is told to.

namespace headrace::core {
namespace {

using test::code_of;
using test::comes_to_an_end;
using test::on_thread;
using test::state_of;
using test::wait_until;

constexpr std::size_t kBytes = 1000;

/// Ends a pool, which waits for its stream, on a device that does nothing by itself.
void end(std::optional<StagingBufferPool>& pool, MockDevice& mock) {
  auto ended = on_thread([&] { pool.reset(); });
  while (ended.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    mock.complete_all();
  }
}

/// Lets a call begin until the host waits for the device, or has ended without.
void wait_until_it_waits(const std::future<void>& call, const MockDevice& mock) {
  wait_until([&] {
    return mock.count(MockCall::host_wait) == 1 ||
           call.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
}

class HostRangeTest : public testing::Test {
 protected:
  void TearDown() override { end(staging_, mock_); }

  [[nodiscard]] Tensor tensor() const { return {manager_, Shape{kBytes}, DataType::uint8}; }
  [[nodiscard]] HostRegistration registered() {
    return mock_.device().register_host_writable(std::as_writable_bytes(std::span(values_)));
  }
  [[nodiscard]] std::uint64_t unregistered() const {
    return mock_.count(MockCall::unregister_host);
  }

  std::vector<std::uint8_t> values_ = std::vector<std::uint8_t>(kBytes, 7);
  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
  std::optional<StagingBufferPool> staging_{std::in_place, manager_, 1, 64};
};

TEST_F(HostRangeTest, TheEndWaitsUntilTheDeviceHasReadIt) {
  HostRegistration registration = registered();
  const Tensor target = tensor();
  staging_->transfer_to_gpu(registration, 0, target);
  auto ended = on_thread([&] { registration.reset(); });
  wait_until_it_waits(ended, mock_);
  EXPECT_EQ(unregistered(), 0U);
  ASSERT_TRUE(mock_.step(1));  // The copy; its marker is still to come.
  EXPECT_EQ(unregistered(), 0U);
  mock_.complete_all();
  ended.get();
  EXPECT_EQ(unregistered(), 1U);
}

TEST_F(HostRangeTest, TheEndOfOneThatNothingUsesWaitsForNothing) {
  const HostRegistration used = registered();
  std::vector<std::uint8_t> others(kBytes);
  HostRegistration unused = mock_.device().register_host(std::as_bytes(std::span(others)));
  staging_->transfer_to_gpu(used, 0, tensor());
  unused.reset();  // would never return
  EXPECT_EQ(unregistered(), 1U);
  mock_.complete_all();
}

TEST_F(HostRangeTest, ReadersDoNotWaitForEachOther) {
  const HostRegistration registration = registered();
  std::optional<StagingBufferPool> another(std::in_place, manager_, 1, 64);  // on stream 2
  staging_->transfer_to_gpu(registration, 0, tensor());
  const Completion second = another->transfer_to_gpu(registration, 0, tensor());
  while (mock_.step(2)) {
  }
  EXPECT_TRUE(second.is_done());
  mock_.complete_all();
  end(another, mock_);
}

TEST_F(HostRangeTest, AWaitThatFailsIsLoggedAndTheMemoryStaysUntilItsWorkIsOver) {
  HostRegistration registration = registered();
  staging_->transfer_to_gpu(registration, 0, tensor());
  mock_.fail(MockCall::host_wait, 1);
  testing::internal::CaptureStderr();
  registration.reset();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("told to fail"));
  EXPECT_EQ(unregistered(), 0U);
  mock_.complete_all();
  state_of(mock_.device()).reap();
  EXPECT_EQ(unregistered(), 1U);
}

TEST_F(HostRangeTest, ALostDeviceLetsItGoInSilence) {
  HostRegistration registration = registered();
  staging_->transfer_to_gpu(registration, 0, tensor());
  auto ended = on_thread([&] { registration.reset(); });
  wait_until_it_waits(ended, mock_);
  testing::internal::CaptureStderr();
  mock_.lose();
  const bool has_ended = comes_to_an_end(ended);
  ended.get();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(has_ended);
  EXPECT_EQ(unregistered(), 1U);
  EXPECT_EQ(code_of([&] { static_cast<void>(registered()); }), ErrorCode::device_lost);
}

TEST_F(HostRangeTest, WhatCouldNotBeRegisteredCanBeLater) {
  mock_.fail(MockCall::register_host, 1, ErrorCode::out_of_memory);
  EXPECT_EQ(code_of([&] { static_cast<void>(registered()); }), ErrorCode::out_of_memory);
  EXPECT_EQ(unregistered(), 0U);
  registered().reset();
  EXPECT_EQ(unregistered(), 1U);
}

TEST_F(HostRangeTest, ACopyThatIsNotSubmittedUsesNothing) {
  HostRegistration registration = registered();
  for (const MockCall call : {MockCall::submit, MockCall::copy}) {
    mock_.fail(call, 1, ErrorCode::internal);
    EXPECT_EQ(code_of([&] { staging_->transfer_to_gpu(registration, 0, tensor()); }),
              ErrorCode::internal);
  }
  EXPECT_EQ(staging_->stats().transfers, 0U);
  registration.reset();  // would never return
  EXPECT_EQ(unregistered(), 1U);
}

TEST_F(HostRangeTest, ACopyWithoutItsMarkerIsWaitedForToo) {
  HostRegistration registration = registered();
  mock_.fail(MockCall::signal, 1, ErrorCode::internal);
  EXPECT_EQ(code_of([&] { staging_->transfer_to_gpu(registration, 0, tensor()); }),
            ErrorCode::internal);
  auto ended = on_thread([&] { registration.reset(); });
  wait_until_it_waits(ended, mock_);
  EXPECT_EQ(unregistered(), 0U);
  mock_.complete_all();
  ended.get();
  EXPECT_EQ(unregistered(), 1U);
}

TEST_F(HostRangeTest, ACapturedDefaultStreamIsRefusedAndNothingIsCopied) {
  const HostRegistration registration = registered();
  Tensor target = tensor();
  mock_.set_capturing(mock_.device().default_stream(), true);
  EXPECT_EQ(code_of([&] { target.copy_from(registration); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { target.copy_to(registration); }), ErrorCode::invalid_argument);
  EXPECT_EQ(mock_.count(MockCall::copy), 0U);
  EXPECT_EQ(mock_.broken_captures(), 0U);
}

// Where the host sees the tensor it writes the range itself, behind what the device still reads.
TEST(HostRangeUnified, TheHostWritesItAfterTheCopiesOutOfIt) {
  MockDevice mock({.unified_memory = true});
  const MemoryManager manager(mock.device());
  std::optional<StagingBufferPool> staging(std::in_place, manager, 1, 64);
  std::vector<std::uint8_t> values(kBytes, 7);
  const HostRegistration registration =
      mock.device().register_host_writable(std::as_writable_bytes(std::span(values)));
  const Tensor target(manager, Shape{kBytes}, DataType::uint8);
  const Tensor source(manager, Shape{kBytes}, DataType::uint8);
  staging->transfer_to_gpu(registration, 0, target);
  auto copied = on_thread([&] { source.copy_to(registration); });
  wait_until_it_waits(copied, mock);
  mock.complete_all();
  copied.get();
  end(staging, mock);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(kBytes, 7));
}

TEST(HostRangeSeam, ABackendThatKnowsNothingOfItSaysSo) {
  const Device device =
      DeviceAccess::make(std::make_shared<DeviceState>(std::make_shared<test::ScriptedDevice>()));
  const std::vector<std::uint8_t> values(kBytes);
  EXPECT_EQ(
      code_of([&] { static_cast<void>(device.register_host(std::as_bytes(std::span(values)))); }),
      ErrorCode::unsupported);
  EXPECT_TRUE(device.register_host({}));
}

}  // namespace
}  // namespace headrace::core
