// SPDX-License-Identifier: Apache-2.0
#include "headrace/memory_resource.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <exception>
#include <limits>
#include <memory_resource>
#include <new>
#include <optional>
#include <type_traits>
#include <vector>

// What a HostMemoryResource makes of failures. What it does over every device is in tests/device.

namespace headrace::core {
namespace {

using test::code_of;
using test::Config;
using test::expect_ledger_balances;

static_assert(std::is_copy_constructible_v<HostMemoryResource>);
static_assert(!std::is_copy_assignable_v<HostMemoryResource>);
static_assert(!std::is_move_assignable_v<HostMemoryResource>);

/// The code of the Error inside the std::bad_alloc that `call` throws. Anything else passes.
std::optional<ErrorCode> code_inside_bad_alloc(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::bad_alloc& error) {
    return code_of([&] { std::rethrow_if_nested(error); });
  }
  return std::nullopt;
}

class MemoryResourceTest : public testing::Test {
 protected:
  void expect_all_back() {
    EXPECT_EQ(manager_.stats().current_buffers, 0U);
    EXPECT_EQ(manager_.stats().current_bytes, 0U);
    expect_ledger_balances(manager_, mock_);
  }

  MockDevice mock_{{.random_order = true, .seed = 7}};
  MemoryManager manager_{mock_.device(), Config{.byte_limit = 1 << 20, .count_limit = 4}};
  HostMemoryResource resource_{manager_};
};

TEST_F(MemoryResourceTest, TheByteLimitIsBadAllocAndTheErrorIsInside) {
  std::pmr::vector<std::byte> kept(1000, &resource_);
  EXPECT_EQ(code_inside_bad_alloc([&] { kept.reserve(2 << 20); }), ErrorCode::out_of_memory);
  EXPECT_EQ(kept.size(), 1000U);
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
  EXPECT_EQ(manager_.stats().failures, 1U);
  kept = std::pmr::vector<std::byte>(&resource_);
  expect_all_back();
}

TEST_F(MemoryResourceTest, TheCountLimitIsBadAllocToo) {
  {
    std::vector<std::pmr::vector<int>> kept;
    for (int i = 0; i < 4; ++i) {
      kept.emplace_back(10, i, &resource_);
    }
    EXPECT_EQ(code_inside_bad_alloc([&] { kept.emplace_back(10, 4, &resource_); }),
              ErrorCode::capacity);
    EXPECT_EQ(manager_.stats().current_buffers, 4U);
    kept.pop_back();
    kept.emplace_back(10, 4, &resource_);
  }
  expect_all_back();
}

TEST_F(MemoryResourceTest, OtherErrorsOfTheDevicePassAsTheyAre) {
  mock_.fail(MockCall::allocate, 1, ErrorCode::internal);
  EXPECT_EQ(code_of([&] { static_cast<void>(resource_.allocate(100)); }), ErrorCode::internal);
  resource_.deallocate(resource_.allocate(100), 100);
  expect_all_back();
}

TEST_F(MemoryResourceTest, ASizeThatNoObjectHasIsBadAlloc) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes : {kMost, kMost - 16, kMost / 2, kMost / 2 - 15}) {
    EXPECT_THROW(static_cast<void>(resource_.allocate(bytes, 16)), std::bad_alloc) << bytes;
  }
  EXPECT_THROW(static_cast<void>(resource_.allocate(0, kMost / 2 + 1)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(resource_.allocate(kMost / 4, kMost / 4 + 1)), std::bad_alloc);
  expect_all_back();
}

TEST_F(MemoryResourceTest, AnAlignmentThatIsNoPowerOfTwoIsRefused) {
  for (const std::size_t alignment : {0, 3, 24, 257}) {
    EXPECT_EQ(code_of([&] { static_cast<void>(resource_.allocate(100, alignment)); }),
              ErrorCode::invalid_argument);
  }
  EXPECT_EQ(manager_.stats().misses, 0U);
}

TEST_F(MemoryResourceTest, NoManagerAndStreamsOfAnotherDeviceAreRefused) {
  EXPECT_EQ(code_of([] { const HostMemoryResource none{MemoryManager()}; }),
            ErrorCode::invalid_argument);
  MockDevice other;
  HostMemoryResource mixed(manager_, other.device().make_stream());
  EXPECT_EQ(code_of([&] { static_cast<void>(mixed.allocate(1)); }), ErrorCode::invalid_argument);
}

TEST_F(MemoryResourceTest, AnAllocationAsksForItsHeaderOrItsAlignmentMore) {
  for (const auto& [alignment, requested] :
       {std::pair<std::size_t, std::size_t>{1, 1016}, {16, 1016}, {64, 1064}, {4096, 5096}}) {
    void* const place = resource_.allocate(1000, alignment);
    EXPECT_EQ(manager_.stats().requested_bytes, requested) << alignment;
    resource_.deallocate(place, 1000, alignment);
  }
  expect_all_back();
}

TEST(MemoryResource, IsNotReusedBeforeTheStreamsWorkIsDone) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  HostMemoryResource resource(MemoryManager(mock.device()), stream);
  void* const first = resource.allocate(1000);
  test::launch(stream, [] {});
  resource.deallocate(first, 1000);
  void* const second = resource.allocate(1000);
  EXPECT_NE(second, first) << "the stream still reads it";
  mock.complete_all();
  void* const third = resource.allocate(1000);
  EXPECT_EQ(third, first);
  resource.deallocate(second, 1000);
  resource.deallocate(third, 1000);
  expect_ledger_balances(resource.manager(), mock);
}

TEST_F(MemoryResourceTest, ALostDeviceTakesItsMemoryBack) {
  void* const place = resource_.allocate(1000);
  mock_.lose();
  resource_.deallocate(place, 1000);
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_EQ(code_of([&] { static_cast<void>(resource_.allocate(5000)); }), ErrorCode::device_lost);
}

}  // namespace
}  // namespace headrace::core
