// SPDX-License-Identifier: Apache-2.0
#include "headrace/testing.h"

#include "support/core_helpers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace headrace {
namespace {

using test::bytes_of;
using test::code_of;
using test::launch;
using test::on_thread;
using test::wait_until;

bool all_are(const std::byte* bytes, std::size_t count, int value) {
  return std::ranges::all_of(std::span(bytes, count),
                             [value](std::byte b) { return b == std::byte(value); });
}

// In what order work of `streams` streams runs, each with `pieces` pieces.
std::vector<int> order_of_work(std::uint64_t seed, bool random_order) {
  constexpr int kStreams = 4;
  constexpr int kPieces = 5;
  MockDevice mock({.random_order = random_order, .seed = seed});
  std::vector<Stream> streams;
  std::vector<int> order;
  for (int s = 0; s < kStreams; ++s) {
    streams.push_back(mock.device().make_stream());
    for (int piece = 0; piece < kPieces; ++piece) {
      launch(streams.back(), [&order, s, piece] { order.push_back(s * kPieces + piece); });
    }
  }
  mock.complete_all();
  EXPECT_EQ(order.size(), std::size_t{kStreams * kPieces});
  for (int s = 0; s < kStreams; ++s) {  // Whatever the order, each stream's is that of submission.
    std::vector<int> own;
    std::ranges::copy_if(
        order, std::back_inserter(own), [s](int work) { return work / kPieces == s; });
    EXPECT_TRUE(std::ranges::is_sorted(own));
  }
  return order;
}

TEST(MockDevice, RunsNothingBeforeItIsToldTo) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  int runs = 0;
  launch(stream, [&] { ++runs; });
  launch(stream, [&] { ++runs; });
  EXPECT_EQ(mock.pending(), 2U);
  EXPECT_EQ(runs, 0);
  EXPECT_TRUE(mock.step());
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(mock.pending(), 1U);
  EXPECT_TRUE(mock.step());
  EXPECT_FALSE(mock.step());
  EXPECT_EQ(runs, 2);
}

TEST(MockDevice, AMarkerIsPassedOnlyByAStepOfItsOwn) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  launch(stream, [] {});
  const core::Ticket ticket = test::state_of(stream).mark();
  EXPECT_FALSE(ticket.stream->is_complete(ticket.serial));
  EXPECT_TRUE(mock.step());
  EXPECT_FALSE(ticket.stream->is_complete(ticket.serial));
  EXPECT_TRUE(mock.step());
  EXPECT_TRUE(ticket.stream->is_complete(ticket.serial));
}

TEST(MockDevice, StepsTheStreamAskedForAndNumbersThemInOrderOfMaking) {
  MockDevice mock;
  const Stream first = mock.device().make_stream();  // Made before the default stream is used.
  const Stream second = mock.device().make_stream();
  const Stream zero = mock.device().default_stream();
  std::vector<int> order;
  launch(zero, [&] { order.push_back(0); });
  launch(first, [&] { order.push_back(1); });
  launch(second, [&] { order.push_back(2); });
  EXPECT_TRUE(mock.step(2));
  EXPECT_TRUE(mock.step(0));
  EXPECT_FALSE(mock.step(0));
  EXPECT_TRUE(mock.step(1));
  EXPECT_FALSE(mock.step(3)) << "there is no such stream";
  EXPECT_EQ(order, (std::vector{2, 0, 1}));
}

TEST(MockDevice, StepWithoutANumberTakesTheLowestThatCanGoOn) {
  EXPECT_TRUE(std::ranges::is_sorted(order_of_work(0, false)));
}

TEST(MockDevice, ARandomOrderIsTheSameForTheSameSeedOnly) {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<int> order = order_of_work(seed, true);
    EXPECT_EQ(order_of_work(seed, true), order);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 15U);  // Of 20; two seeds may agree by chance.
}

TEST(MockDevice, StreamsWaitForEachOther) {
  MockDevice mock;
  const Stream producer = mock.device().make_stream();  // 1
  const Stream consumer = mock.device().make_stream();  // 2
  bool ran = false;
  launch(producer, [] {});
  test::state_of(consumer).wait_on(test::state_of(producer).mark());
  launch(consumer, [&] { ran = true; });
  EXPECT_EQ(mock.count(MockCall::wait_for), 1U);
  EXPECT_FALSE(mock.step(2));
  EXPECT_TRUE(mock.step(1));  // The work.
  EXPECT_FALSE(mock.step(2));
  EXPECT_TRUE(mock.step(1));  // The marker.
  EXPECT_TRUE(mock.step(2));  // The wait.
  EXPECT_FALSE(ran);
  EXPECT_TRUE(mock.step(2));
  EXPECT_TRUE(ran);
}

TEST(MockDevice, AWaitHoldsTheWholeStreamBehindItAndNothingElse) {
  MockDevice mock;
  const Stream producer = mock.device().make_stream();
  const Stream consumer = mock.device().make_stream();
  const Stream bystander = mock.device().make_stream();
  launch(producer, [] {});
  launch(consumer, [] {});
  test::state_of(consumer).wait_on(test::state_of(producer).mark());
  launch(consumer, [] {});
  launch(bystander, [] {});
  EXPECT_TRUE(mock.step(2));  // What was there before the wait runs.
  EXPECT_FALSE(mock.step(2));
  EXPECT_TRUE(mock.step(3));
  mock.complete_all();
  EXPECT_EQ(mock.pending(), 0U);
}

TEST(MockDevice, FillsMemoryWhenGivenAndWhenTakenBack) {
  MockDevice mock;
  MemoryManager manager(mock.device());
  const Buffer buffer = manager.get_buffer(1000, DeviceType::gpu);
  EXPECT_TRUE(all_are(bytes_of(buffer), buffer.capacity(), 0xCD));
}

TEST(MockDevice, CountsEveryCallAndFailsTheNthOfItsKind) {
  // A fresh device for each kind: what makes the call, and how many calls it makes.
  const auto submit = [](const Stream& stream, auto work) {
    auto submission = std::make_shared<Submission>();
    submission->commands.push_back({std::move(work), "test"});
    test::state_of(stream).submit(std::move(submission));
  };
  std::array<std::byte, 64> memory{};
  const MemoryView place{reinterpret_cast<std::uint64_t>(memory.data()), 0, nullptr};
  const MemoryView other{reinterpret_cast<std::uint64_t>(memory.data()) + 32, 0, nullptr};
  using Call = std::function<void(MockDevice&, const Stream&)>;
  const std::vector<std::pair<MockCall, Call>> calls{
      {MockCall::allocate,
       [](MockDevice& mock, const Stream&) {
         test::state_of(mock.device())
             .backend()
             .release(test::state_of(mock.device()).backend().allocate(DeviceType::gpu, 256));
       }},
      {MockCall::make_stream,
       [](MockDevice& mock, const Stream&) { static_cast<void>(mock.device().make_stream()); }},
      {MockCall::submit, [](MockDevice&, const Stream& stream) { launch(stream, [] {}); }},
      {MockCall::copy,
       [&](MockDevice&, const Stream& stream) {
         submit(stream, CopyCommand{place, other, 8});
       }},
      {MockCall::fill,
       [&](MockDevice&, const Stream& stream) {
         submit(stream, FillCommand{place, 7, 1, 8});
       }},
      {MockCall::convert,
       [&](MockDevice&, const Stream& stream) {
         submit(stream, ConvertCommand{place, DataType::uint8, other, DataType::int8, 8});
       }},
      {MockCall::expand,
       [&](MockDevice&, const Stream& stream) {
         submit(stream, ExpandCommand{place, other, 1, std::make_shared<ExpandSpec>()});
       }},
      {MockCall::launch, [](MockDevice&, const Stream& stream) { launch(stream, [] {}); }},
      {MockCall::signal, [](MockDevice&, const Stream& stream) { test::state_of(stream).mark(); }},
      {MockCall::wait_for,
       [](MockDevice& mock, const Stream& stream) {
         const Stream producer = mock.device().default_stream();
         launch(producer, [] {});
         test::state_of(stream).wait_on(test::state_of(producer).mark());
       }},
      {MockCall::host_wait,
       [](MockDevice&, const Stream& stream) {
         const core::Ticket ticket = test::state_of(stream).mark();
         static_cast<void>(ticket.stream->wait(ticket.serial, std::chrono::nanoseconds(0)));
       }},
  };
  for (const auto& [kind, call] : calls) {
    SCOPED_TRACE(static_cast<int>(kind));
    for (std::uint64_t nth = 1; nth <= 3; ++nth) {
      MockDevice mock;
      const Stream stream = mock.device().make_stream();
      call(mock, stream);  // Calls before `fail` do not count towards the n-th.
      const std::uint64_t before = mock.count(kind);
      mock.fail(kind, nth, ErrorCode::io);
      for (std::uint64_t i = 1; i <= 4; ++i) {
        const auto code = code_of([&] { call(mock, stream); });
        EXPECT_EQ(code, i == nth ? std::optional(ErrorCode::io) : std::nullopt) << i;
        EXPECT_EQ(mock.count(kind), before + i);
      }
      mock.complete_all();
    }
  }
}

TEST(MockDevice, FaultsOfOneKindAreCountedApart) {
  MockDevice mock;
  BackendDevice& backend = test::state_of(mock.device()).backend();
  mock.fail(MockCall::allocate, 1, ErrorCode::io);
  mock.fail(MockCall::allocate, 2, ErrorCode::out_of_memory);
  mock.fail(MockCall::allocate, 4, ErrorCode::internal);
  const auto allocate = [&] {
    return code_of([&] { backend.release(backend.allocate(DeviceType::gpu, 1)); });
  };
  EXPECT_EQ(allocate(), ErrorCode::io);
  EXPECT_EQ(allocate(), ErrorCode::out_of_memory);
  EXPECT_EQ(allocate(), std::nullopt);
  EXPECT_EQ(allocate(), ErrorCode::internal);
  EXPECT_EQ(allocate(), std::nullopt);
}

TEST(MockDevice, AFailedSubmissionRunsNothing) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  mock.fail(MockCall::launch, 1);
  EXPECT_EQ(code_of([&] { launch(stream, [] { ADD_FAILURE(); }); }), ErrorCode::internal);
  EXPECT_EQ(mock.pending(), 0U);
  mock.complete_all();
}

TEST(MockDevice, RefusesMemoryBeyondItsSizeAndKnowsWhatLives) {
  MockDevice mock({.total_bytes = 1000});
  BackendDevice& backend = test::state_of(mock.device()).backend();
  const MemoryBlock large = backend.allocate(DeviceType::gpu, 700);
  EXPECT_EQ(code_of([&] { backend.allocate(DeviceType::cpu, 301); }), ErrorCode::out_of_memory);
  const MemoryBlock small = backend.allocate(DeviceType::cpu, 300);
  EXPECT_EQ(mock.live_allocations(), 2U);
  EXPECT_EQ(mock.live_bytes(), 1000U);
  backend.release(large);
  EXPECT_EQ(mock.live_bytes(), 300U);
  backend.release(small);
  EXPECT_EQ(mock.live_allocations(), 0U);
  EXPECT_EQ(mock.count(MockCall::allocate), 3U);
  EXPECT_EQ(mock.count(MockCall::release), 2U);
}

TEST(MockDevice, MemoryThatTheHostItselfLacksIsOutOfMemoryToo) {
  if (test::kSanitizedAllocator) {
    GTEST_SKIP() << "the sanitizer ends the program at such a size";
  }
  MockDevice mock({.total_bytes = std::size_t{1} << 62});
  BackendDevice& backend = test::state_of(mock.device()).backend();
  EXPECT_EQ(code_of([&] { backend.allocate(DeviceType::gpu, std::size_t{1} << 61); }),
            ErrorCode::out_of_memory);
  EXPECT_EQ(mock.live_bytes(), 0U);
}

TEST(MockDevice, ShowsTheHostCpuMemoryAndOtherMemoryWhereItIsUnified) {
  for (const bool unified : {false, true}) {
    MockDevice mock({.unified_memory = unified});
    EXPECT_EQ(mock.device().info().unified_memory, unified);
    BackendDevice& backend = test::state_of(mock.device()).backend();
    const MemoryBlock gpu = backend.allocate(DeviceType::gpu, 256);
    const MemoryBlock cpu = backend.allocate(DeviceType::cpu, 256);
    EXPECT_EQ(gpu.host != nullptr, unified);
    EXPECT_NE(cpu.host, nullptr);
    EXPECT_EQ(gpu.handle % 256, 0U);
    backend.release(gpu);
    backend.release(cpu);
  }
}

TEST(MockDevice, AHostWaitInManualModeEndsWhenAnotherThreadRunsTheWork) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  bool ran = false;
  launch(stream, [&] { ran = true; });
  const auto waiting = on_thread([&] { stream.synchronize(); });
  wait_until([&] { return mock.count(MockCall::host_wait) == 1; });
  EXPECT_FALSE(ran);
  mock.complete_all();
  waiting.wait();
  EXPECT_TRUE(ran);
}

TEST(MockDevice, AHostWaitInRandomOrderRunsTheWorkItself) {
  MockDevice mock({.random_order = true, .seed = 3});
  const Stream stream = mock.device().make_stream();
  bool ran = false;
  launch(stream, [&] { ran = true; });
  stream.synchronize();
  EXPECT_TRUE(ran);
}

TEST(MockDevice, AWaitThatRunsOutOfTimeSaysSo) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  launch(stream, [] {});
  const core::Ticket ticket = test::state_of(stream).mark();
  EXPECT_FALSE(ticket.stream->wait(ticket.serial, std::chrono::nanoseconds(1)));
  mock.complete_all();
  EXPECT_TRUE(ticket.stream->wait(ticket.serial, std::chrono::nanoseconds(0)));
}

TEST(MockDevice, OnceLostEveryCallFailsAndMemoryCanBeGivenBack) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  const Stream other = mock.device().make_stream();
  BackendDevice& backend = test::state_of(mock.device()).backend();
  const MemoryBlock memory = backend.allocate(DeviceType::gpu, 256);
  launch(stream, [] { ADD_FAILURE() << "work of a lost device must not run"; });
  const core::Ticket ticket = test::state_of(stream).mark();
  mock.lose();
  EXPECT_FALSE(mock.step());
  mock.complete_all();
  EXPECT_EQ(code_of([&] { backend.allocate(DeviceType::gpu, 1); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { backend.make_stream(); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { launch(stream, [] {}); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { test::state_of(stream).mark(); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { ticket.stream->wait(ticket.serial); }), ErrorCode::device_lost);
  backend.release(memory);
  EXPECT_EQ(mock.live_bytes(), 0U);
}

TEST(MockDevice, WhatALostDeviceWillNeverRunIsLetGo) {
  MockDevice mock;
  const Stream stream = mock.device().make_stream();
  const auto held = std::make_shared<int>(1);
  launch(stream, [held] {});
  EXPECT_EQ(held.use_count(), 2);
  mock.lose();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(MockDevice, WhatIsPendingAtItsEndIsLetGo) {
  const auto held = std::make_shared<int>(1);
  {
    MockDevice mock;
    const Stream stream = mock.device().make_stream();
    launch(stream, [held, stream] {});  // Holding the stream, as CommandBuffer::launch does.
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(MockDevice, ItsDeviceWorksOnWhenItIsGone) {
  Device device;
  Stream stream;
  {
    const MockDevice mock;
    device = mock.device();
    stream = device.make_stream();
  }
  bool ran = false;
  launch(stream, [&] { ran = true; });
  device.synchronize();
  EXPECT_TRUE(ran);
}

TEST(MockDevice, StreamsAreCapturedOneByOneOrAllAndBrokenCapturesAreCounted) {
  MockDevice mock;
  const Stream a = mock.device().make_stream();
  const Stream b = mock.device().make_stream();
  const Stream same = mock.device().adopt_stream(a.native_handle());
  mock.set_capturing(a, true);
  EXPECT_TRUE(test::state_of(a).is_capturing());
  EXPECT_TRUE(test::state_of(same).is_capturing());
  EXPECT_FALSE(test::state_of(b).is_capturing());
  mock.set_capturing(a, false);
  EXPECT_FALSE(test::state_of(a).is_capturing());
  mock.set_capturing(true);
  EXPECT_TRUE(test::state_of(b).is_capturing());
  EXPECT_TRUE(test::state_of(mock.device().make_stream()).is_capturing());
  mock.set_capturing(false);
  EXPECT_FALSE(test::state_of(b).is_capturing());
  mock.set_capturing(Stream(), true);
  EXPECT_TRUE(test::state_of(mock.device().default_stream()).is_capturing());
  mock.set_capturing(false);
  EXPECT_FALSE(test::state_of(mock.device().default_stream()).is_capturing());
  EXPECT_EQ(code_of([&] { mock.set_capturing(MockDevice().device().make_stream(), true); }),
            ErrorCode::invalid_argument);
  const auto state = core::DeviceAccess::state(mock.device());
  const auto first = state->backend().make_stream();
  const auto second = state->backend().make_stream();
  first->signal(1);
  second->wait_for(*first, 1);
  EXPECT_EQ(mock.broken_captures(), 0U);
  mock.set_capturing(true);
  first->signal(2);
  EXPECT_EQ(mock.broken_captures(), 1U);
  second->wait_for(*first, 1);
  EXPECT_EQ(mock.broken_captures(), 2U);
}

TEST(MockDevice, AnAdoptedStreamSharesTheQueueAndHasMarkersOfItsOwn) {
  MockDevice mock;
  const Stream own = mock.device().make_stream();
  const Stream adopted = mock.device().adopt_stream(own.native_handle());
  EXPECT_NE(own, adopted);
  std::vector<int> order;
  launch(own, [&] { order.push_back(1); });
  launch(adopted, [&] { order.push_back(2); });
  launch(own, [&] { order.push_back(3); });
  mock.complete_all();
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  EXPECT_EQ(test::state_of(own).mark().serial, 1U);
  EXPECT_EQ(test::state_of(adopted).mark().serial, 1U);
  EXPECT_EQ(code_of([&] {
              static_cast<void>(mock.device().adopt_stream({HandleKind::stream, 99, 0}));
            }),
            ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace headrace
