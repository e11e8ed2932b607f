// SPDX-License-Identifier: Apache-2.0
// A manager's last handle is gone and its memory is still used: by whatever outlives it, on any
// thread.
#include "core/device_state.h"
#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

TEST(ClosedPool, ATensorMayStillBeConvertedOnAnotherThreadAndLeavesNothing) {
  MockDevice mock({.random_order = true});
  Tensor tensor = test::on_thread([&] {
                    const MemoryManager manager(mock.device());
                    return Tensor(manager, Shape{1024}, DataType::float32);
                  }).get();
  tensor.convert_to(DataType::float16).release();
  tensor.release();
  mock.device().synchronize();
  EXPECT_EQ(mock.live_allocations(), 0U);
}

TEST(ClosedPool, ItLivesWhileOneOfTheCopiesMadeOnOtherThreadsDoes) {
  MockDevice mock({.random_order = true, .granularity = std::size_t{2} << 20});
  Tensor kept;
  {
    const MemoryManager manager(mock.device());
    std::vector<Tensor> many;
    for (int i = 0; i < 600; ++i) {  // So that a take would fill a magazine.
      many.emplace_back(manager, Shape{64}, DataType::float32);
    }
    kept = many.back();
  }
  mock.complete_all();
  std::vector<Tensor> copies = test::on_thread([&kept] {
                                 std::vector<Tensor> made;
                                 for (int i = 0; i < 6; ++i) {
                                   made.push_back(kept.deep_copy());
                                 }
                                 return made;
                               }).get();
  mock.complete_all();
  kept.release();
  for (Tensor& copy : copies) {
    EXPECT_EQ(mock.live_allocations(), 1U);
    EXPECT_EQ(copy.to_vector<float>().size(), 64U);
    copy.release();
  }
  mock.device().synchronize();
  EXPECT_EQ(mock.live_allocations(), 0U);
}

TEST(ClosedPool, ItsLimitDoesNotCountWhatTheDeviceHasBack) {
  constexpr std::size_t kLimit = std::size_t{64} << 10;
  MockDevice mock({.random_order = true});
  Tensor tensor;
  {
    MemoryManager manager(mock.device(), test::Config{.byte_limit = kLimit});
    tensor = Tensor(manager, Shape{2048}, DataType::float32);
    const Buffer other = manager.get_buffer(kLimit * 3 / 4);
  }
  mock.device().synchronize();
  const std::vector<Tensor> copies{tensor.deep_copy(), tensor.deep_copy()};
  EXPECT_LE(mock.live_bytes(), kLimit);
}

TEST(ClosedPool, SegmentsGoBackAsTheyEmpty) {
  MockDevice mock({.random_order = true, .granularity = std::size_t{64} << 10});
  std::vector<Buffer> buffers;
  {
    MemoryManager manager(mock.device());
    for (int i = 0; i < 2000; ++i) {
      buffers.push_back(manager.get_buffer(256));
    }
  }
  std::size_t held = mock.live_allocations();
  ASSERT_GT(held, 4U);
  for (std::size_t quarter = 0; quarter < 4; ++quarter) {
    buffers.resize(buffers.size() - 500);
    mock.complete_all();
    mock.device().synchronize();
    EXPECT_LT(mock.live_allocations(), held);
    held = mock.live_allocations();
  }
  EXPECT_EQ(held, 0U);
}

TEST(ClosedPool, ItLivesWhileAThreadGivesItsMemoryToTheDevice) {
  const auto scripted = std::make_shared<test::ScriptedDevice>();
  const Device device = DeviceAccess::make(make_shared_here<DeviceState>(scripted));
  const Stream stream = device.make_stream();
  scripted->streams.back()->passed = UINT64_MAX;
  auto token = std::make_shared<int>();  // The pool has it with its settings.
  const std::weak_ptr<int> pool = token;
  Buffer first;
  Buffer last;
  {
    MemoryManager manager(device, test::Config{.pressure_callback = [token](std::size_t) {
                            return token == nullptr;
                          }});
    token.reset();
    first = manager.get_buffer(std::size_t{3} << 20, DeviceType::gpu, stream);
    last = manager.get_buffer(std::size_t{3} << 20, DeviceType::gpu, stream);
  }
  bool has_looked = false;
  scripted->on_release = [&] {
    if (!std::exchange(has_looked, true)) {
      test::on_thread([&last] { last.reset(); }).wait();
      EXPECT_FALSE(pool.expired()) << "while the first return is still in it";
    }
  };
  first.reset();
  EXPECT_TRUE(has_looked);
  EXPECT_TRUE(pool.expired());
  EXPECT_EQ(scripted->live, 0);
}

TEST(ClosedPool, ThreadsThatCopyAndReleaseLeaveNothingStress) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    MockDevice mock({.random_order = true, .granularity = std::size_t{64} << 10});
    Tensor tensor;
    {
      const MemoryManager manager(mock.device());
      tensor = Tensor(manager, Shape{300}, DataType::float32);
    }
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, mine = tensor, thread]() mutable {
        std::mt19937 random(seed * 4 + thread);
        std::vector<Tensor> made{std::exchange(mine, Tensor())};
        for (int i = 0; i < 50; ++i) {
          Tensor& place = made[random() % made.size()];
          if (Tensor copy = place.deep_copy(); random() % 3 != 0) {
            made.push_back(std::move(copy));
          } else {
            place = std::move(copy);
          }
        }
      });
    }
    tensor.release();
    for (std::thread& thread : threads) {
      thread.join();
    }
    mock.device().synchronize();
    ASSERT_EQ(mock.live_allocations(), 0U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace headrace::core
