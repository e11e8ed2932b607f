// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <chrono>

namespace headrace::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

Completion launch(CommandBufferPool& pool, std::function<void(Stream)> function) {
  CommandBuffer commands = pool.get_buffer();
  commands.launch(std::move(function));
  return pool.execute_async(std::move(commands));
}

class CompletionTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(CompletionTest);

TEST_P(CompletionTest, DefaultMadeIsDone) {
  const Completion completion;
  EXPECT_TRUE(completion.is_done());
  EXPECT_TRUE(completion.try_wait());
  EXPECT_TRUE(completion.wait_for(nanoseconds(0)));
  completion.wait();
  device_.default_stream().wait_for(completion);
}

TEST_P(CompletionTest, WaitReturnsWhenTheWorkIsDone) {
  CommandBufferPool pool(device_.make_stream(), 1);
  std::atomic<bool> ran{false};
  const Completion completion = launch(pool, [&ran](const Stream&) { ran = true; });
  completion.wait();
  EXPECT_TRUE(ran);
  EXPECT_TRUE(completion.is_done());
  EXPECT_TRUE(completion.try_wait());
  completion.wait();
}

TEST_P(CompletionTest, EveryWaitThrowsTheErrorOfTheWork) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const Completion completion =
      launch(pool, [](const Stream&) { throw std::runtime_error("kernel failed"); });
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(completion.wait(), std::runtime_error);
    EXPECT_THROW(static_cast<void>(completion.wait_for(milliseconds(1))), std::runtime_error);
    EXPECT_THROW(static_cast<void>(completion.try_wait()), std::runtime_error);
    EXPECT_TRUE(completion.is_done());
  }
  const Completion copy = completion;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_THROW(copy.wait(), std::runtime_error);
}

TEST_P(CompletionTest, AnErrorStaysWithItsOwnWork) {
  CommandBufferPool pool(device_.make_stream(), 3);
  const Completion before = launch(pool, [](const Stream&) {});
  const Completion failed = launch(pool, [](const Stream&) { throw std::runtime_error("one"); });
  const Completion after = launch(pool, [](const Stream&) {});
  after.wait();
  before.wait();
  EXPECT_THROW(failed.wait(), std::runtime_error);
}

TEST_P(CompletionTest, OutlivesItsPoolAndItsStream) {
  Completion completion;
  {
    CommandBufferPool pool(device_.make_stream(), 1);
    completion = launch(pool, [](const Stream&) { throw std::runtime_error("late"); });
  }
  EXPECT_THROW(completion.wait(), std::runtime_error);
}

TEST_P(CompletionTest, IsWaitedForByManyThreadsStress) {
  CommandBufferPool pool(device_.make_stream(), 4);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> ran{0};
    std::atomic<int> early{0};
    const Completion completion = launch(pool, [&ran](const Stream&) { ++ran; });
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        completion.wait();
        early += ran != 1;
      });
    }
    threads.clear();
    EXPECT_EQ(early, 0);
  }
}

class HeldCompletionTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldCompletionTest);

TEST_P(HeldCompletionTest, WaitForTimesOutWhileTheWorkIsNotDone) {
  CommandBufferPool pool(device_.make_stream(), 1);
  Event open;
  const Completion completion = launch(pool, [&open](const Stream&) { open.wait(); });
  EXPECT_FALSE(completion.is_done());
  EXPECT_FALSE(completion.try_wait());
  EXPECT_FALSE(completion.wait_for(nanoseconds(0)));
  EXPECT_FALSE(completion.wait_for(milliseconds(5)));
  EXPECT_FALSE(completion.wait_for(nanoseconds(-5)));
  open.set();
  EXPECT_TRUE(completion.wait_for(std::chrono::hours(1)));
  EXPECT_TRUE(completion.wait_for(nanoseconds(0)));
}

TEST_P(HeldCompletionTest, WaitForTheLongestTimeWaits) {
  CommandBufferPool pool(device_.make_stream(), 1);
  const auto open = std::make_shared<Event>();
  const Completion completion = launch(pool, [open](const Stream&) { open->wait(); });
  const std::jthread opener([open] {
    for (int i = 0; i < 2000; ++i) {
      std::this_thread::yield();
    }
    open->set();
  });
  EXPECT_TRUE(completion.wait_for(nanoseconds::max()));
}

TEST_P(HeldCompletionTest, TryWaitThrowsOnlyWhenTheWorkIsDone) {
  CommandBufferPool pool(device_.make_stream(), 1);
  Event open;
  const Completion completion = launch(pool, [&open](const Stream&) {
    open.wait();
    throw std::runtime_error("failed");
  });
  EXPECT_FALSE(completion.try_wait());
  open.set();
  EXPECT_THROW(completion.wait(), std::runtime_error);
  EXPECT_THROW(static_cast<void>(completion.try_wait()), std::runtime_error);
}

TEST_P(HeldCompletionTest, IsDoneBeforeLaterWorkOfItsStream) {
  Event open;
  CommandBufferPool pool(device_.make_stream(), 2);
  const Completion first = launch(pool, [](const Stream&) {});
  const Completion second = launch(pool, [&open](const Stream&) { open.wait(); });
  first.wait();  // would never return
  EXPECT_FALSE(second.is_done());
  open.set();
}

}  // namespace
}  // namespace headrace::test
