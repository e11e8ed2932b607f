// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>

// Completion handlers of command buffers.

namespace headrace::test {
namespace {

class HandlerTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(HandlerTest);

TEST_P(HandlerTest, RunsOnceOnAnotherThread) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 2);
    std::atomic<int> calls{0};
    std::atomic<int> here{0};
    const std::thread::id me = std::this_thread::get_id();
    for (int i = 0; i < 10; ++i) {
      const Completion completion =
          pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) {
            ++calls;
            here += std::this_thread::get_id() == me;
          });
      completion.wait();
      static_cast<void>(completion.is_done());
      static_cast<void>(pool.stats());
    }
    pool.cleanup();
    EXPECT_EQ(calls, 10);
    EXPECT_EQ(here, 0);
  });
}

TEST_P(HandlerTest, RunsWithoutAnybodyWaitingOrLooking) {
  CommandBufferPool pool(device_.make_stream(), 1);
  std::promise<void> told;
  pool.execute_async(pool.get_buffer(), [&told](const std::exception_ptr&) { told.set_value(); });
  told.get_future().wait();
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

TEST_P(HandlerTest, AreCalledInTheOrderOfSubmission) {
  CommandBufferPool pool(device_.make_stream(), 3);
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) {
    pool.execute_async(pool.get_buffer(),
                       [&order, i](const std::exception_ptr&) { order.push_back(i); });
  }
  pool.cleanup();
  EXPECT_EQ(order, sequence<int>(20));
}

TEST_P(HandlerTest, IsToldTheErrorOfTheWork) {
  CommandBufferPool pool(device_.make_stream(), 1);
  std::promise<std::string> told;
  CommandBuffer commands = pool.get_buffer();
  commands.launch([](const Stream&) { throw std::runtime_error("kernel failed"); });
  pool.execute_async(std::move(commands),
                     [&told](const std::exception_ptr& error) { told.set_value(text_of(error)); });
  EXPECT_EQ(told.get_future().get(), "kernel failed");
}

TEST_P(HandlerTest, TheBufferIsBackBeforeTheHandlerRuns) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 1);
    std::promise<bool> back;
    pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) {
      back.set_value(pool.try_get_buffer().has_value());
    });
    EXPECT_TRUE(back.get_future().get());
  });
}

TEST_P(HandlerTest, TheBufferIsBackBeforeAWaitReturns) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 1);
    pool.execute_async(pool.get_buffer()).wait();
    EXPECT_EQ(pool.stats().available_buffers, 1U);
    EXPECT_TRUE(pool.try_get_buffer());
  });
}

TEST_P(HandlerTest, MayCallTheLibrary) {
  for_each_order([&] {
    const Stream stream = device_.make_stream();
    CommandBufferPool pool(stream, 2);
    StagingBufferPool staging(manager_, 1, 100);
    const Tensor tensor(manager_, {100}, DataType::int32);
    std::promise<std::vector<std::int32_t>> seen;
    pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) {
      staging.transfer_to_gpu_sync(sequence<std::int32_t>(100), tensor);
      CommandBuffer commands = pool.get_buffer();
      commands.fill(tensor.slice(0, 50), 7);
      const Completion filled = pool.execute_async(std::move(commands));
      const std::array operations{BatchOperation{
          "fill", [&](CommandBuffer& buffer) { buffer.fill(tensor.slice(0, 10), 8); }, {}}};
      pool.execute_batch(operations).wait();
      filled.wait();
      static_cast<void>(pool.stats());
      static_cast<void>(manager_.get_buffer(100));
      stream.synchronize();
      pool.cleanup();
      seen.set_value(tensor.to_vector<std::int32_t>());
    });
    std::vector<std::int32_t> expected = sequence<std::int32_t>(100);
    std::fill_n(expected.begin(), 50, 7);
    std::fill_n(expected.begin(), 10, 8);
    EXPECT_EQ(seen.get_future().get(), expected);
  });
}

TEST_P(HandlerTest, MaySubmitAgainForAsLongAsItLikes) {
  CommandBufferPool pool(device_.make_stream(), 1);
  std::promise<int> ended;
  int rounds = 0;
  std::function<void(std::exception_ptr)> handler = [&](const std::exception_ptr&) {
    if (++rounds == 20) {
      ended.set_value(rounds);
    } else {
      pool.execute_async(pool.get_buffer(), handler);
    }
  };
  pool.execute_async(pool.get_buffer(), handler);
  EXPECT_EQ(ended.get_future().get(), 20);
}

TEST_P(HandlerTest, ThatThrowsIsCountedAndHurtsNobody) {
  CommandBufferPool pool(device_.make_stream(), 2);
  std::atomic<int> told{0};
  testing::internal::CaptureStderr();
  pool.execute_async(pool.get_buffer(),
                     [](const std::exception_ptr&) { throw std::runtime_error("handler"); });
  pool.execute_async(pool.get_buffer(), [](const std::exception_ptr&) { throw 42; });
  const std::array operations{
      BatchOperation{"a",
                     [](CommandBuffer&) {},
                     [](const std::exception_ptr&) { throw std::runtime_error("in a batch"); }},
      BatchOperation{"b", [](CommandBuffer&) {}, [&](const std::exception_ptr& e) { told += !e; }},
  };
  const Completion completion = pool.execute_batch(operations);
  completion.wait();
  pool.cleanup();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(pool.stats().handler_errors, 3U);
  EXPECT_EQ(told, 1);
  EXPECT_THAT(log, testing::HasSubstr("in a batch"));
  completion.wait();  // the handler's error is not the work's
}

TEST_P(HandlerTest, MayWaitForAnotherCompletion) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 2);
    CommandBufferPool other(device_.make_stream(), 1);
    std::promise<Completion> later;
    std::promise<bool> done;
    pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) {
      const Completion waited_for = later.get_future().get();
      waited_for.wait();
      done.set_value(waited_for.is_done());
    });
    // Submitted afterwards on the same pool: nobody but the handler's thread might settle it.
    static_cast<void>(other);
    later.set_value(pool.execute_async(pool.get_buffer(), [](const std::exception_ptr&) {}));
    EXPECT_TRUE(done.get_future().get());
  });
}

TEST_P(HandlerTest, ThatHoardsBuffersDoesNotBlockThePool) {
  CommandBufferPool pool(device_.make_stream(), 3);
  std::vector<CommandBuffer> hoard;
  std::promise<void> hoarded;
  pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) {
    hoard.push_back(pool.get_buffer());
    hoard.push_back(pool.get_buffer());
    hoarded.set_value();
  });
  hoarded.get_future().wait();
  for (int i = 0; i < 5; ++i) {
    pool.execute_async(pool.get_buffer()).wait();  // one is left
  }
  EXPECT_EQ(pool.stats().in_use_buffers, 2U);
  hoard.clear();
  EXPECT_EQ(pool.stats().in_use_buffers, 0U);
}

TEST_P(HandlerTest, CleanupWaitsForHandlersThatAreDue) {
  for_each_order([&] {
    CommandBufferPool pool(device_.make_stream(), 4);
    std::atomic<int> told{0};
    for (int i = 0; i < 4; ++i) {
      pool.execute_async(pool.get_buffer(), [&told](const std::exception_ptr&) {
        std::this_thread::yield();
        ++told;
      });
    }
    pool.cleanup();
    EXPECT_EQ(told, 4);
    EXPECT_EQ(pool.stats().total_buffers, 0U);
    pool.execute_async(pool.get_buffer()).wait();
  });
}

TEST_P(HandlerTest, PoolDestroyedWithWorkInFlightFinishesItAndTells) {
  for_each_order([&] {
    std::atomic<int> ran{0};
    std::atomic<int> told{0};
    {
      CommandBufferPool pool(device_.make_stream(), 4);
      for (int i = 0; i < 4; ++i) {
        CommandBuffer commands = pool.get_buffer();
        commands.launch([&ran](const Stream&) { ++ran; });
        pool.execute_async(std::move(commands), [&told](const std::exception_ptr&) { ++told; });
      }
    }
    EXPECT_EQ(ran, 4);
    EXPECT_EQ(told, 4);
  });
}

TEST_P(HandlerTest, MaySubmitAgainWhileThePoolIsDestroyed) {
  for_each_order([&] {
    int rounds = 0;
    {
      std::optional<CommandBufferPool> pool(std::in_place, device_.make_stream(), 2);
      CommandBufferPool& alias = *pool;
      std::function<void(std::exception_ptr)> handler = [&](const std::exception_ptr&) {
        std::this_thread::yield();
        if (++rounds < 100) {
          alias.execute_async(alias.get_buffer(), handler);
        }
      };
      alias.execute_async(alias.get_buffer(), handler);
      pool.reset();
    }
    EXPECT_EQ(rounds, 100);
  });
}

TEST_P(HandlerTest, MayDestroyThePool) {
  for_each_order([&] {
    auto pool = std::make_unique<CommandBufferPool>(device_.make_stream(), 2);
    Event submitted;
    std::promise<void> destroyed;
    pool->execute_async(pool->get_buffer(), [&](const std::exception_ptr&) {
      submitted.wait();
      pool.reset();
      destroyed.set_value();
    });
    submitted.set();
    destroyed.get_future().wait();
    EXPECT_EQ(pool, nullptr);
  });
}

TEST_P(HandlerTest, MayBeTheLastToHoldThePool) {
  for_each_order([&] {
    std::promise<void> told;
    const auto held = std::make_shared<int>(0);
    {
      auto pool = std::make_shared<CommandBufferPool>(device_.make_stream(), 1);
      CommandBufferPool& alias = *pool;
      alias.execute_async(alias.get_buffer(),
                          [pool, held, &told](const std::exception_ptr&) { told.set_value(); });
    }
    told.get_future().wait();
    while (held.use_count() > 1) {
      std::this_thread::yield();
    }
    EXPECT_EQ(held.use_count(), 1);
  });
}

TEST_P(HandlerTest, WhatAHandlerHoldsIsLetGoWhenItRan) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const auto held = std::make_shared<int>(1);
  const Completion completion =
      pool.execute_async(pool.get_buffer(), [held](const std::exception_ptr&) {});
  pool.cleanup();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_TRUE(completion.is_done());
}

TEST_P(HandlerTest, MoveAssignmentFinishesTheOldPool) {
  std::atomic<int> told{0};
  CommandBufferPool pool(device_.make_stream(), 1);
  pool.execute_async(pool.get_buffer(), [&told](const std::exception_ptr&) { ++told; });
  pool = CommandBufferPool(device_.make_stream(), 7);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(pool.stats().max_buffers, 7U);
}

class HeldHandlerTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldHandlerTest);

TEST_P(HeldHandlerTest, AWaitMayReturnWhileTheHandlerStillRuns) {
  Event go_on;
  CommandBufferPool pool(device_.make_stream(), 1);
  const Completion completion =
      pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) { go_on.wait(); });
  completion.wait();  // would never return
  EXPECT_TRUE(pool.try_get_buffer());
  go_on.set();
}

TEST_P(HeldHandlerTest, ASlowHandlerHoldsUpNeitherWorkNorBuffers) {
  Event go_on;
  CommandBufferPool pool(device_.make_stream(), 1);
  pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) { go_on.wait(); });
  std::atomic<int> ran{0};
  for (int i = 0; i < 10; ++i) {
    CommandBuffer commands = pool.get_buffer();  // would never return
    commands.launch([&ran](const Stream&) { ++ran; });
    pool.execute_async(std::move(commands)).wait();
  }
  EXPECT_EQ(ran, 10);
  go_on.set();
}

TEST_P(HeldHandlerTest, ExecuteReturnsBeforeTheWorkIsDoneAndBeforeTheHandlerRuns) {
  const Stream stream = device_.make_stream();
  CommandBufferPool pool(stream, 2);
  Gate gate(can_hold());
  gate.hold(stream);
  std::atomic<bool> told{false};
  const Completion completion =
      pool.execute_async(pool.get_buffer(), [&](const std::exception_ptr&) { told = true; });
  EXPECT_FALSE(completion.is_done());
  EXPECT_FALSE(told);
  EXPECT_EQ(pool.stats().in_use_buffers, 1U);
  gate.open();
  pool.cleanup();
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace headrace::test
