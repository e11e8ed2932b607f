// SPDX-License-Identifier: Apache-2.0
// Compiled only where CCCL is found. A MockDevice stands for the device: the numbers of its streams
// are their handles, and no call of CUDA's is made.
#include "headrace/cuda_memory_resource.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::code_of;
using test::expect_ledger_balances;
using test::launch;
using test::wait_until;

constexpr cuda::stream_ref kNull{cudaStream_t{}};

static_assert(std::is_nothrow_copy_constructible_v<DeviceMemoryResource>);
static_assert(!noexcept(std::declval<DeviceMemoryResource&>().allocate_sync(1)));
static_assert(noexcept(std::declval<DeviceMemoryResource&>().deallocate_sync(nullptr, 1)));
static_assert(noexcept(std::declval<DeviceMemoryResource&>().deallocate(kNull, nullptr, 1)));
static_assert(!cuda::has_property<DeviceMemoryResource, cuda::mr::host_accessible>);

class DeviceMemoryResourceTest : public testing::Test {
 protected:
  explicit DeviceMemoryResourceTest(const MockDeviceConfig& config = {}) : mock_(config) {}

  // As CUDA's code would have it.
  static cuda::stream_ref handle_of(const Stream& stream) {
    return {reinterpret_cast<cudaStream_t>(stream.native_handle().value)};
  }
  void expect_all_back() const {
    EXPECT_EQ(manager_.stats().current_buffers, 0U);
    EXPECT_EQ(manager_.stats().release_errors, 0U);
    expect_ledger_balances(manager_, mock_);
  }

  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
  DeviceMemoryResource resource_{manager_};
  Stream number_two_ = mock_.device().make_stream();  // Whose handle is CUDA's per-thread stream.
  Stream a_ = mock_.device().make_stream();
  Stream b_ = mock_.device().make_stream();
};

/// The same on a device that goes on by itself whenever the host waits.
class GoingDeviceMemoryResourceTest : public DeviceMemoryResourceTest {
 protected:
  GoingDeviceMemoryResourceTest() : DeviceMemoryResourceTest({.random_order = true, .seed = 5}) {}
};

TEST_F(DeviceMemoryResourceTest, OnTheSameStreamMemoryIsReusedAtOnceEveryTime) {
  void* const first = resource_.allocate(handle_of(a_), 1000);
  ASSERT_NE(first, nullptr);
  launch(a_, [] {});
  resource_.deallocate(handle_of(a_), first, 1000);
  for (int i = 0; i < 10; ++i) {
    void* const next = resource_.allocate(handle_of(a_), 1000);
    EXPECT_EQ(next, first) << i;
    launch(a_, [] {});
    resource_.deallocate(handle_of(a_), next, 1000);
  }
  EXPECT_EQ(manager_.stats().misses, 1U);
  EXPECT_EQ(manager_.stats().stream_waits, 0U);
  expect_all_back();
}

TEST_F(DeviceMemoryResourceTest, WhatTheLastStreamUsesIsReusedOnlyWhenItIsDone) {
  void* const first = resource_.allocate(handle_of(a_), 1000);
  launch(b_, [] {});
  resource_.deallocate(handle_of(b_), first, 1000);
  void* const second = resource_.allocate(handle_of(a_), 1000);
  EXPECT_NE(second, first) << "b may still use it";
  mock_.complete_all();
  void* const third = resource_.allocate(handle_of(a_), 1000);
  EXPECT_EQ(third, first);
  resource_.deallocate(handle_of(a_), second, 1000);
  resource_.deallocate(handle_of(a_), third, 1000);
  expect_all_back();
}

TEST_F(DeviceMemoryResourceTest, TheNullStreamIsTheDefaultStream) {
  void* const first = resource_.allocate(kNull, 1000);
  launch(mock_.device().default_stream(), [] {});
  resource_.deallocate(kNull, first, 1000);
  EXPECT_EQ(manager_.allocate_buffer(1000), first);
  manager_.release_buffer(first);
  expect_all_back();
}

TEST_F(DeviceMemoryResourceTest, TheLegacyStreamIsTheDefaultStreamToo) {
  const cuda::stream_ref legacy{cudaStreamLegacy};
  void* const first = resource_.allocate(legacy, 1000);
  launch(mock_.device().default_stream(), [] {});
  resource_.deallocate(legacy, first, 1000);
  EXPECT_EQ(manager_.allocate_buffer(1000), first);
  manager_.release_buffer(first);
  resource_.forget(legacy);
  expect_all_back();
}

TEST_F(DeviceMemoryResourceTest, ThePerThreadStreamIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const cuda::stream_ref per_thread{cudaStreamPerThread};
  EXPECT_EQ(code_of([&] { static_cast<void>(resource_.allocate(per_thread, 1000)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  void* const first = resource_.allocate(kNull, 1000);
  EXPECT_DEATH(resource_.deallocate(per_thread, first, 1000), "cudaStreamPerThread");
  resource_.deallocate(kNull, first, 1000);
  expect_all_back();
}

TEST_F(GoingDeviceMemoryResourceTest, SynchronousMemoryIsGivenWhenNothingUsesItAnyMore) {
  MockDevice mock{{.random_order = true, .total_bytes = 1 << 20}};
  DeviceMemoryResource resource{MemoryManager(mock.device())};
  const Stream number_two = mock.device().make_stream();  // As above.
  const Stream stream = mock.device().make_stream();
  constexpr std::size_t kMost = 900'000;  // So that there is no room for a second one.
  bool is_done = false;
  void* const first = resource.allocate(handle_of(stream), kMost);
  launch(stream, [&] { is_done = true; });
  resource.deallocate(handle_of(stream), first, kMost);
  void* const second = resource.allocate_sync(kMost);
  EXPECT_TRUE(is_done);
  resource.deallocate_sync(second, kMost);
  EXPECT_EQ(resource.manager().stats().current_buffers, 0U);
}

TEST_F(DeviceMemoryResourceTest, SynchronousMemoryAsksNoWorkOfOtherStreamsToBeDone) {
  constexpr std::size_t kSyncStream = 1;  // The first that was made.
  launch(a_, [] { ADD_FAILURE() << "nobody waits for a"; });
  auto taken = test::on_thread([&] { return resource_.allocate_sync(1000); });
  wait_until([&] {
    mock_.step(kSyncStream);
    return taken.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  resource_.deallocate_sync(taken.get(), 1000);
  expect_all_back();
}

TEST_F(DeviceMemoryResourceTest, AlignmentsThatMemoryDoesNotHaveAreRefused) {
  for (const std::size_t alignment : {0, 3, 512}) {
    EXPECT_EQ(
        code_of([&] { static_cast<void>(resource_.allocate(handle_of(a_), 1000, alignment)); }),
        ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&] { static_cast<void>(resource_.allocate_sync(1000, alignment)); }),
              ErrorCode::invalid_argument);
  }
  EXPECT_EQ(manager_.stats().misses, 0U);
  for (std::size_t alignment = 1; alignment <= 256; alignment *= 2) {
    void* const place = resource_.allocate(handle_of(a_), 1, alignment);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % alignment, 0U);
    resource_.deallocate(handle_of(a_), place, 1, alignment);
  }
  expect_all_back();
}

TEST_F(DeviceMemoryResourceTest, NoBytesAreNullAndNullIsIgnored) {
  EXPECT_EQ(resource_.allocate(handle_of(a_), 0), nullptr);
  EXPECT_EQ(resource_.allocate_sync(0), nullptr);
  resource_.deallocate(handle_of(a_), nullptr, 0);
  resource_.deallocate_sync(nullptr, 0);
  expect_all_back();
}

TEST_F(DeviceMemoryResourceTest, ResourcesOfOneManagerAreEqualAndGiveBackForEachOther) {
  DeviceMemoryResource another(manager_);
  DeviceMemoryResource copy = resource_;
  EXPECT_TRUE(resource_ == another);
  EXPECT_TRUE(resource_ == copy);
  EXPECT_TRUE(resource_ != DeviceMemoryResource(MemoryManager(mock_.device())));
  void* const place = resource_.allocate(handle_of(a_), 1000);
  another.deallocate(handle_of(a_), place, 1000);
  copy.deallocate_sync(copy.allocate(handle_of(a_), 1000), 1000);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
}

TEST_F(DeviceMemoryResourceTest, AForgottenStreamIsAskedForNothingAnyMore) {
  void* const place = resource_.allocate(handle_of(a_), 1000);
  resource_.deallocate(handle_of(a_), place, 1000);
  resource_.forget(handle_of(a_));
  resource_.forget(handle_of(b_));  // Not known.
  mock_.complete_all();
  const std::uint64_t before = mock_.count(MockCall::signal);
  void* const again = resource_.allocate(kNull, 1000);
  EXPECT_EQ(again, place) << "its memory is anyone's";
  resource_.deallocate_sync(again, 1000);
  EXPECT_EQ(mock_.count(MockCall::signal), before);
}

TEST_F(GoingDeviceMemoryResourceTest, NoManagerIsRefusedAndTheLimitsErrorPasses) {
  EXPECT_EQ(code_of([] { const DeviceMemoryResource none{MemoryManager()}; }),
            ErrorCode::invalid_argument);
  DeviceMemoryResource limited{MemoryManager(mock_.device(), test::Config{.count_limit = 1})};
  void* const first = limited.allocate_sync(1000);
  EXPECT_EQ(code_of([&] { static_cast<void>(limited.allocate_sync(1000)); }), ErrorCode::capacity);
  limited.deallocate_sync(first, 1000);
}

TEST_F(GoingDeviceMemoryResourceTest, ALostDeviceTakesItsMemoryBack) {
  void* const first = resource_.allocate(handle_of(a_), 1000);
  void* const second = resource_.allocate_sync(1000);
  void* const third = resource_.allocate(handle_of(a_), 1000);
  mock_.lose();
  resource_.deallocate(handle_of(a_), first, 1000);
  resource_.deallocate_sync(second, 1000);
  resource_.deallocate(handle_of(b_), third, 1000);  // Not known yet, and it cannot be now.
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
}

TEST_F(DeviceMemoryResourceTest, APointerThatIsNotTheManagersEndsTheProgramAndSaysWhy) {
  // Not by a fork: in its child the manager would be dead.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  int elsewhere = 0;
  EXPECT_DEATH(resource_.deallocate_sync(&elsewhere, 4), "not one that this memory manager");
}

#if CCCL_VERSION < 3001000
TEST_F(GoingDeviceMemoryResourceTest, ServesATypeErasedReference) {
  cuda::mr::async_resource_ref<cuda::mr::device_accessible> any(resource_);
  void* const place = any.allocate_async(1000, 256, handle_of(a_));
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
  any.deallocate_async(place, 1000, 256, handle_of(a_));
  any.deallocate(any.allocate(1000), 1000);
  expect_all_back();
}
#elif CCCL_VERSION >= 3002000  // Between the two it had none.
TEST_F(GoingDeviceMemoryResourceTest, ServesATypeErasedReference) {
  cuda::mr::resource_ref<cuda::mr::device_accessible> any(resource_);
  void* const place = any.allocate(handle_of(a_), 1000, 256);
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
  any.deallocate(handle_of(a_), place, 1000, 256);
  any.deallocate_sync(any.allocate_sync(1000, 256), 1000, 256);
  expect_all_back();
}
#endif

}  // namespace
}  // namespace headrace::core
