// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/context.h"
#include "backends/cuda/event_pool.h"
#include "backends/cuda/markers.h"
#include "cuda/round.h"

#include <set>

// Markers, the events behind them, and who holds those.

namespace headrace::test {
namespace {

class CudaEventTest : public CudaTest {};

TEST_F(CudaEventTest, MarkersArePassedInOrderAndOnlyAfterTheWork) {
  Queue queue = this->queue();
  const auto memory = block(10);
  driver_->set_manual(true);
  for (int i = 0; i < 3; ++i) {
    queue.submit({fill(memory->at(), 1, 1, 10)});
    queue.signal();
  }
  for (MarkerSerial marker = 0; marker < 3; ++marker) {
    EXPECT_EQ(queue.stream->completed(), marker);
    EXPECT_EQ(driver_->run(1), 1);
    EXPECT_EQ(queue.stream->completed(), marker) << "the work is done, the marker is not passed";
    EXPECT_FALSE(queue.stream->wait(marker + 1, std::chrono::nanoseconds(0)));
    EXPECT_EQ(driver_->run(1), 1);
    EXPECT_TRUE(queue.stream->wait(marker + 1, std::chrono::nanoseconds(0)));
  }
  EXPECT_EQ(queue.stream->completed(), 3U);
}

TEST_F(CudaEventTest, AWaitMeansTheMarkerItWasGiven) {
  Queue producer = queue();
  Queue consumer = queue();
  const auto memory = block(10);
  driver_->set_manual(true);
  producer.submit({fill(memory->at(), 1, 1, 10)});
  consumer.stream->wait_for(*producer.stream, producer.signal());
  producer.submit({fill(memory->at(), 2, 1, 10)});
  producer.signal();
  consumer.signal();
  EXPECT_EQ(driver_->run(100), 7 - 1) << "two fills, two markers, a wait, a marker";
  EXPECT_EQ(consumer.stream->completed(), 1U);
}

TEST_F(CudaEventTest, EventsAreUsedAgain) {
  Queue queue = this->queue();
  for (int i = 0; i < 3; ++i) {
    queue.finish();
    queue.stream->completed();
  }
  driver_->reset();
  for (int i = 0; i < 100; ++i) {
    queue.finish();
    queue.stream->completed();
  }
  EXPECT_EQ(driver_->calls("cuEventCreate"), 0);
}

TEST_F(CudaEventTest, AnEventThatIsHeldIsNotGivenOut) {
  cuda::Context context(api(), 0, device_->info());
  const cuda::Entered entered(context);
  cuda::EventHold first = context.markers().take();
  const cuda::EventHold copy = first;  // NOLINT(performance-unnecessary-copy-initialization)
  const CUevent handle = first.handle();
  first = {};
  const cuda::EventHold second = context.markers().take();
  EXPECT_NE(second.handle(), handle) << "a copy still holds it";
  EXPECT_EQ(copy.handle(), handle);
  first = copy;
  const cuda::EventHold third = context.markers().take();
  std::set<CUevent> all{first.handle(), second.handle(), third.handle()};
  EXPECT_EQ(all.size(), 3U);
}

TEST_F(CudaEventTest, AMarkerLookedUpIsKeptWhenItIsPassed) {
  cuda::Context context(api(), 0, device_->info());
  const cuda::Entered entered(context);
  cuda::Markers markers(context);
  cuda::EventHold event = context.markers().take();
  const CUevent handle = event.handle();
  markers.add({1, std::move(event), 0});  // never recorded, so passed
  const cuda::EventHold waiter = markers.find(1).event;
  EXPECT_EQ(markers.completed(0), 1U);
  EXPECT_FALSE(markers.find(1).event);
  EXPECT_NE(context.markers().take().handle(), handle) << "a waiter's event was given out";
  EXPECT_EQ(waiter.handle(), handle);
}

// Waiters come while markers are passed and their events go to later ones.
TEST_F(CudaEventTest, ManyThreadsWaitForMarkersStress) {
  Queue queue = this->queue();
  const auto memory = block(64);
  std::atomic<MarkerSerial> newest{0};
  std::atomic<bool> is_over{false};
  std::vector<std::thread> waiters;
  for (int t = 0; t < 3; ++t) {
    waiters.emplace_back([&, t] {
      while (!is_over) {
        const MarkerSerial marker = newest;
        if (!queue.stream->wait(marker, t == 0 ? kForever : kLong) ||
            queue.stream->completed() < marker) {
          ADD_FAILURE() << "marker " << marker << " is not passed after a wait";
          return;
        }
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    queue.submit({fill(memory->at(), 1, 1, 64)});
    newest = queue.signal();
  }
  is_over = true;
  for (std::thread& waiter : waiters) {
    waiter.join();
  }
  queue.finish();
}

}  // namespace
}  // namespace headrace::test
