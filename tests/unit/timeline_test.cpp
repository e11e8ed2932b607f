// SPDX-License-Identifier: Apache-2.0
#include "core/timeline.h"

#include "support/core_helpers.h"
#include "support/scripted_backend.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <memory_resource>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::code_of;
using test::comes_to_an_end;
using test::launch;
using test::on_thread;
using test::ScriptedDevice;
using test::ScriptedStream;
using test::state_of;
using test::wait_until;

// A StreamState over a scripted stream.
struct Scripted {
  explicit Scripted(StreamState::Owner owner = StreamState::Owner::headrace)
      : backend(std::make_shared<ScriptedStream>()),
        state(std::make_shared<StreamState>(device, backend, owner)) {}

  // Gives it work, so that the next marker is one that matters.
  void work() const { state->submit(std::make_shared<Submission>()); }

  // One for all, for streams wait only for streams of their own device.
  static inline const std::shared_ptr<ScriptedDevice> device = std::make_shared<ScriptedDevice>();
  std::shared_ptr<ScriptedStream> backend;
  std::shared_ptr<StreamState> state;
};

TEST(Timeline, StreamIdsAreDenseAndNeverUsedAgain) {
  MockDevice mock;
  const std::uint64_t first = mock.device().make_stream().id();
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(mock.device().make_stream().id(), first + i);  // Each is gone when the next is made.
  }
}

TEST(Timeline, StreamIdsAreDifferentOnEveryThread) {
  MockDevice mock;
  std::vector<std::vector<std::uint64_t>> ids(4);
  {
    std::vector<std::jthread> threads;
    for (auto& own : ids) {
      threads.emplace_back([&own, device = mock.device()] {
        for (int i = 0; i < 200; ++i) {
          own.push_back(device.make_stream().id());
        }
      });
    }
  }
  std::set<std::uint64_t> all;
  for (const auto& own : ids) {
    all.insert(own.begin(), own.end());
  }
  EXPECT_EQ(all.size(), 800U);
}

TEST(Timeline, AStampOfAnOwnStreamCallsNothingAndNamesTheNextMarker) {
  const Scripted s;
  s.work();
  EXPECT_EQ(s.state->stamp().serial, 1U);
  EXPECT_EQ(s.state->stamp().serial, 1U) << "nothing was recorded in between";
  EXPECT_TRUE(s.backend->signals.empty());
  EXPECT_EQ(s.state->mark().serial, 1U);
  s.work();
  EXPECT_EQ(s.state->stamp().serial, 2U);
  EXPECT_EQ(s.backend->signals, (std::vector<MarkerSerial>{1}));
}

TEST(Timeline, AStampOfAStreamWithoutNewWorkNamesTheLastMarker) {
  const Scripted s;
  EXPECT_TRUE(s.state->is_complete(s.state->stamp().serial));
  s.work();
  s.state->mark();
  EXPECT_EQ(s.state->stamp().serial, 1U);
  EXPECT_FALSE(s.state->is_complete(s.state->stamp().serial)) << "its work is still to run";
  s.backend->passed = 1;
  EXPECT_TRUE(s.state->is_complete(s.state->stamp().serial));
  EXPECT_EQ(s.backend->signals, (std::vector<MarkerSerial>{1}));
}

TEST(Timeline, AWaitIsWorkToo) {
  const Scripted producer;
  const Scripted consumer;
  producer.work();
  consumer.state->wait_on(producer.state->stamp());
  EXPECT_EQ(consumer.state->stamp().serial, 1U);
  EXPECT_FALSE(consumer.state->is_complete(1));
}

TEST(Timeline, OnceItsHandleWasGivenOutEveryStampNamesTheNextMarker) {
  const Scripted s;
  static_cast<void>(s.state->native_handle());
  EXPECT_EQ(s.state->stamp().serial, 1U);
  s.state->mark();
  EXPECT_EQ(s.state->stamp().serial, 2U) << "work may have come unseen";
}

TEST(Timeline, AFailedMarkerStillCountsItsWorkAsUnmarked) {
  const Scripted s;
  s.work();
  s.backend->on_signal = [](MarkerSerial) { throw Error(ErrorCode::internal, "no marker"); };
  EXPECT_EQ(code_of([&] { s.state->mark(); }), ErrorCode::internal);
  EXPECT_EQ(s.state->stamp().serial, 1U);
  EXPECT_FALSE(s.state->is_complete(1));
  s.backend->on_signal = nullptr;
  EXPECT_FALSE(s.state->is_complete(1));
  EXPECT_EQ(s.backend->signals, (std::vector<MarkerSerial>{1, 1, 1}));
}

TEST(Timeline, AStampOfAnAdoptedStreamRecordsItsMarkerAtOnce) {
  const Scripted s(StreamState::Owner::adopted);
  EXPECT_EQ(s.state->stamp().serial, 1U);
  EXPECT_EQ(s.state->stamp().serial, 2U);
  EXPECT_EQ(s.backend->signals, (std::vector<MarkerSerial>{1, 2}));
}

TEST(Timeline, AskingRecordsTheMarkerOnceForAllStampsThatNameIt) {
  const Scripted s;
  s.work();
  const Ticket first = s.state->stamp();
  const Ticket second = s.state->stamp();
  EXPECT_FALSE(s.state->is_complete(first.serial));
  EXPECT_FALSE(s.state->is_complete(second.serial));
  EXPECT_FALSE(s.state->is_complete(first.serial));
  EXPECT_EQ(s.backend->signals, (std::vector<MarkerSerial>{1}));
  s.backend->passed = 1;
  EXPECT_TRUE(s.state->is_complete(first.serial));
  EXPECT_TRUE(s.state->is_complete(second.serial));
  EXPECT_EQ(s.backend->signals.size(), 1U);
}

TEST(Timeline, AStampIsNotCompleteBecauseAnEarlierMarkerIs) {
  const Scripted s;
  s.work();
  s.state->mark();
  s.backend->passed = 1;
  s.work();
  const Ticket later = s.state->stamp();
  EXPECT_FALSE(s.state->is_complete(later.serial));
  EXPECT_EQ(s.backend->signals, (std::vector<MarkerSerial>{1, 2}));
}

TEST(Timeline, EveryWorkIsDoneWhenItsMarkerIsPassedHoweverManyThereWere) {
  MockDevice mock({.random_order = true, .seed = 5});
  const Stream stream = mock.device().make_stream();
  MarkerSerial last = 0;
  for (int round = 0; round < 200; ++round) {
    bool ran = false;
    launch(stream, [&] { ran = true; });
    const Ticket ticket = state_of(stream).stamp();
    EXPECT_EQ(ticket.serial, last + 1) << "serials are dense";
    EXPECT_EQ(state_of(stream).mark().serial, ticket.serial)
        << "the next marker is the one stamped";
    ticket.stream->wait(ticket.serial);
    EXPECT_TRUE(ran);
    last = ticket.serial;
  }
}

// Work launched through the native handle does not pass through StreamState::submit, so a stamp
// taken by its launcher while another thread records a marker must not name that marker: the marker
// may stand before the work.
TEST(Timeline, AStampTakenWhileAMarkerIsBeingRecordedNamesALaterOne) {
  const Scripted s;
  static_cast<void>(s.state->native_handle());
  std::optional<Ticket> during;
  s.backend->on_signal = [&](MarkerSerial) {
    // The marker is in the stream by now; what is launched natively from here on comes after it.
    during = s.state->stamp();
  };
  EXPECT_EQ(s.state->mark().serial, 1U);
  ASSERT_TRUE(during);
  EXPECT_GT(during->serial, 1U);
}

TEST(Timeline, AMarkerThatCannotBeRecordedIsTriedAgainAndNotPassed) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  launch(stream, [] {});
  const Ticket ticket = state_of(stream).stamp();
  mock.complete_all();
  mock.fail(MockCall::signal, 1);
  EXPECT_FALSE(ticket.stream->is_complete(ticket.serial));
  EXPECT_FALSE(ticket.stream->is_complete(ticket.serial));  // Records it now.
  mock.complete_all();
  EXPECT_TRUE(ticket.stream->is_complete(ticket.serial));
  EXPECT_EQ(mock.count(MockCall::signal), 2U);
}

TEST(Timeline, AWaitOnTheSameStreamOrForWhatIsKnownToBeDoneCallsNothing) {
  MockDevice mock;
  const Stream producer = mock.device().make_stream();
  const Stream consumer = mock.device().make_stream();
  const Ticket ticket = state_of(producer).mark();
  state_of(producer).wait_on(ticket);
  EXPECT_EQ(mock.count(MockCall::wait_for), 0U);
  mock.complete_all();
  ASSERT_TRUE(state_of(producer).is_complete(ticket.serial));
  state_of(consumer).wait_on(ticket);
  EXPECT_EQ(mock.count(MockCall::wait_for), 0U);
}

TEST(Timeline, AWaitStandsForEarlierPointsOfTheStreamAndForNoLaterOne) {
  MockDevice mock;
  const Stream producer = mock.device().make_stream();
  const Stream consumer = mock.device().make_stream();
  const Ticket first = state_of(producer).mark();
  launch(producer, [] {});
  const Ticket second = state_of(producer).mark();
  launch(producer, [] {});
  const Ticket third = state_of(producer).mark();
  state_of(consumer).wait_on(second);
  state_of(consumer).wait_on(second);
  state_of(consumer).wait_on(first);
  EXPECT_EQ(mock.count(MockCall::wait_for), 1U);
  state_of(consumer).wait_on(third);
  EXPECT_EQ(mock.count(MockCall::wait_for), 2U);
}

TEST(Timeline, WaitsForMoreStreamsThanAreRememberedAllCount) {
  MockDevice mock;
  const Stream consumer = mock.device().make_stream();
  std::vector<Stream> producers;
  for (int i = 0; i < 20; ++i) {
    producers.push_back(mock.device().make_stream());
    launch(producers.back(), [] {});
    state_of(consumer).wait_on(state_of(producers.back()).mark());
    EXPECT_EQ(mock.count(MockCall::wait_for), i + 1U);
  }
  state_of(consumer).wait_on(state_of(producers.back()).stamp());
  EXPECT_EQ(mock.count(MockCall::wait_for), 20U) << "for the last it has waited";
}

TEST(Timeline, AWaitOnAStampRecordsItOnce) {
  MockDevice mock;
  const Stream producer = mock.device().make_stream();
  const Stream first = mock.device().make_stream();
  const Stream second = mock.device().make_stream();
  launch(producer, [] {});
  const Ticket ticket = state_of(producer).stamp();
  state_of(first).wait_on(ticket);
  state_of(second).wait_on(ticket);
  EXPECT_EQ(mock.count(MockCall::signal), 1U);
  EXPECT_EQ(mock.count(MockCall::wait_for), 2U);
}

TEST(Timeline, AStreamNeverHandsItsBackendAStreamOfAnotherDevice) {
  const Scripted consumer;
  MockDevice mock;
  const Stream foreign = mock.device().make_stream();
  launch(foreign, [] {});
  const Ticket ticket = state_of(foreign).mark();
  static_cast<void>(code_of([&] { consumer.state->wait_on(ticket); }));  // It may refuse.
  EXPECT_TRUE(consumer.backend->waits.empty()) << "its backend would take it for one of its own";
  mock.complete_all();
}

TEST(Timeline, SynchronizeWaitsForTheWorkSubmittedBeforeAndNoMore) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  int runs = 0;
  launch(stream, [&] { ++runs; });
  auto waiting = on_thread([&] { stream.synchronize(); });
  wait_until([&] { return mock.count(MockCall::host_wait) == 1; });
  launch(stream, [&] { ++runs; });
  EXPECT_TRUE(mock.step());  // The first work.
  EXPECT_TRUE(mock.step());  // The marker.
  EXPECT_TRUE(comes_to_an_end(waiting));
  EXPECT_EQ(runs, 1);
  mock.complete_all();
}

TEST(Timeline, AMarkCoversWorkSubmittedByTheSameThreadWhateverOthersDo) {
  MockDevice mock({.random_order = true, .seed = 9});
  const Stream stream = mock.device().make_stream();
  std::vector<std::jthread> threads;
  std::atomic<int> early{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto ran = std::make_shared<std::atomic<bool>>(false);
        launch(stream, [ran] { *ran = true; });
        const Ticket ticket = i % 2 == 0 ? state_of(stream).stamp() : state_of(stream).mark();
        ticket.stream->wait(ticket.serial);
        early += *ran ? 0 : 1;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(early, 0);
}

// --- UseList

TEST(UseList, KeepsTheLatestPointOfEachStream) {
  const Scripted a;
  const Scripted b;
  UseList uses;
  uses.add(Ticket{a.state, 2});
  uses.add(Ticket{a.state, 1});
  uses.add(Ticket{b.state, 1});
  a.state->mark();
  a.state->mark();
  b.state->mark();
  a.backend->passed = 1;
  b.backend->passed = 1;
  EXPECT_FALSE(uses.all_complete());
  EXPECT_TRUE(uses.all_complete_or_on(*a.state));
  EXPECT_FALSE(uses.all_complete_or_on(*b.state));
  a.backend->passed = 2;
  EXPECT_TRUE(uses.all_complete());
  EXPECT_TRUE(uses.empty());
}

TEST(UseList, MergesAnotherWithTheLaterPointOfEachStream) {
  const Scripted a;
  const Scripted b;
  UseList uses;
  uses.add(Ticket{a.state, 3});
  uses.add(Ticket{b.state, 1});
  UseList more;
  more.add(Ticket{a.state, 1});
  more.add(Ticket{b.state, 2});
  uses.add(more);
  const Scripted consumer;
  for (int i = 0; i < 3; ++i) {
    a.state->mark();
    b.state->mark();
  }
  uses.make_wait(*consumer.state);
  using Wait = std::pair<BackendStream*, MarkerSerial>;
  EXPECT_EQ(consumer.backend->waits,
            (std::vector<Wait>{{a.backend.get(), 3}, {b.backend.get(), 2}}));
}

TEST(UseList, IsNotInWhatTheProcessCallsItsDefaultMemory) {
  const Scripted a;
  std::pmr::memory_resource* const before =
      std::pmr::set_default_resource(std::pmr::null_memory_resource());
  UseList uses;
  EXPECT_NO_THROW(uses.add(Ticket{a.state, 1}));
  std::optional<UseList> copy;
  EXPECT_NO_THROW(copy.emplace(uses));
  std::pmr::set_default_resource(before);
}

TEST(UseList, WaitsForEveryStream) {
  MockDevice mock;
  const Stream a = mock.device().make_stream();
  const Stream b = mock.device().make_stream();
  UseList uses;
  launch(a, [] {});
  launch(b, [] {});
  uses.add(state_of(a).stamp());
  uses.add(state_of(b).stamp());
  EXPECT_FALSE(uses.wait(std::chrono::nanoseconds(1)));
  auto waiting = on_thread([&] { uses.wait(); });
  while (mock.step(1)) {
  }
  EXPECT_FALSE(uses.wait(std::chrono::nanoseconds(1))) << "b is not done";
  wait_until([&] {
    mock.complete_all();
    return waiting.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  EXPECT_TRUE(uses.wait(std::chrono::nanoseconds(0)));
}

// --- Block: who waits for whom

class BlockTest : public testing::Test {
 protected:
  static Stream used(MockDevice& mock) {
    Stream stream = mock.device().make_stream();
    launch(stream, [] {});
    return stream;
  }

  MockDevice mock_;
  MemoryManager manager_{mock_.device()};
  Stream a_ = used(mock_);
  Stream b_ = used(mock_);
  Stream c_ = used(mock_);
  Buffer buffer_ = manager_.get_buffer(1000);
  Block& block_ = test::block_of(buffer_);

  // Notes that work submitted to `stream` writes.
  void wrote(const Stream& stream) {
    block_.after_write(state_of(stream).point(), std::make_shared<Outcome>());
  }
  [[nodiscard]] std::uint64_t waits() const { return mock_.count(MockCall::wait_for); }
};

TEST_F(BlockTest, AReadWaitsForTheWriteOnly) {
  wrote(a_);
  block_.after_read(state_of(b_).point());
  block_.before_read(state_of(c_));
  EXPECT_EQ(waits(), 1U);
}

TEST_F(BlockTest, AWriteWaitsForTheWriteAndEveryRead) {
  wrote(a_);
  block_.after_read(state_of(b_).point());
  block_.before_write(state_of(c_));
  EXPECT_EQ(waits(), 2U);
}

TEST_F(BlockTest, AWriteStandsForAllThatItWaitedFor) {
  wrote(a_);
  block_.after_read(state_of(b_).point());
  block_.before_write(state_of(c_));
  wrote(c_);
  block_.before_write(state_of(a_));
  EXPECT_EQ(waits(), 3U) << "of c alone";
}

TEST_F(BlockTest, ARecordedUseIsWaitedForByReadsAndWrites) {
  block_.record_use(state_of(a_));
  block_.before_read(state_of(b_));
  block_.before_write(state_of(c_));
  EXPECT_EQ(waits(), 2U);
}

// Two threads write different rows of one tensor: each notes its write after both have waited.
TEST_F(BlockTest, AWriteDoesNotMakeOneForgottenThatItDidNotWaitFor) {
  block_.before_write(state_of(a_));
  block_.before_write(state_of(b_));
  wrote(a_);
  wrote(b_);
  const std::uint64_t before = waits();
  block_.before_write(state_of(c_));
  EXPECT_EQ(waits() - before, 2U) << "of a, whose write b's did not wait for, and of b";
}

TEST_F(BlockTest, AUseRecordedDuringAWriteIsNotForgotten) {
  block_.before_write(state_of(a_));
  block_.record_use(state_of(b_));
  wrote(a_);
  block_.before_write(state_of(c_));
  EXPECT_EQ(waits(), 2U) << "of a and of b";
}

TEST_F(BlockTest, TheHostWaitsForWritesToReadAndForAllToWrite) {
  while (mock_.step()) {
  }
  launch(a_, [] {});
  launch(b_, [] {});
  wrote(a_);
  block_.after_read(state_of(b_).point());
  auto reading = on_thread([&] { block_.wait_to_read(); });
  wait_until([&] { return mock_.count(MockCall::host_wait) == 1; });
  while (mock_.step(1)) {
  }
  EXPECT_TRUE(comes_to_an_end(reading));
  EXPECT_FALSE(block_.wait_to_write(std::chrono::nanoseconds(1)));
  mock_.complete_all();
  EXPECT_TRUE(block_.wait_to_write(std::chrono::nanoseconds(1)));
}

}  // namespace
}  // namespace headrace::core
