// SPDX-License-Identifier: Apache-2.0
// What a tool that checks memory is told: a part is open from before it is handed out until it is
// back and its last work is over.
#include "support/core_helpers.h"
#include "support/part_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace headrace::core {
namespace {

using test::bytes_of;
using test::launch;
using test::PartLedger;

constexpr std::size_t kSmall = 1000;
constexpr std::size_t kLarge = (std::size_t{3} << 20) - 100;

class OpenPartsTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_THAT(ledger_.wrong(), testing::IsEmpty()); }

  Buffer take(const Stream& stream, std::size_t size, DeviceType type = DeviceType::gpu) {
    return manager_.get_buffer(size, type, stream);
  }

  PartLedger ledger_;
  MockDevice mock_{{.random_order = true, .seed = 3, .observer = &ledger_}};
  MemoryManager manager_{mock_.device()};
  Stream stream_ = mock_.device().make_stream();
};

TEST_F(OpenPartsTest, WhatIsTakenIsOpenForItsSizeAndClosedWhenItIsOver) {
  for (const DeviceType type : {DeviceType::gpu, DeviceType::cpu, DeviceType::persistent_gpu}) {
    for (const std::size_t size : {kSmall, kLarge}) {
      for (int round = 0; round < 3; ++round) {
        Buffer buffer = take(stream_, size, type);
        const std::byte* memory = bytes_of(buffer);
        EXPECT_EQ(ledger_.open_at(memory), size);
        launch(stream_, [] {});
        stream_.synchronize();
        buffer.reset();
        EXPECT_TRUE(ledger_.is_closed(memory, size)) << size;
      }
    }
  }
}

TEST_F(OpenPartsTest, WhatWorkMayStillUseStaysOpen) {
  for (const std::size_t size : {kSmall, kLarge}) {
    MockDevice mock({.observer = &ledger_});  // Work waits to be told.
    MemoryManager manager(mock.device());
    const Stream stream = mock.device().make_stream();
    Buffer buffer = manager.get_buffer(size, DeviceType::gpu, stream);
    const std::byte* memory = bytes_of(buffer);
    launch(stream, [] {});
    buffer.reset();
    EXPECT_EQ(ledger_.open_at(memory), size);
    const Buffer other = manager.get_buffer(size, DeviceType::gpu, stream);
    EXPECT_NE(bytes_of(other), memory) << "what work uses is not given to more work";
    EXPECT_EQ(ledger_.open_at(memory), size);
    mock.complete_all();
    EXPECT_EQ(ledger_.open_at(memory), size) << "nobody has asked";
    mock.device().synchronize();
    EXPECT_TRUE(ledger_.is_closed(memory, size));
  }
}

TEST_F(OpenPartsTest, MemoryThatIsTakenAgainIsOpenForItsNewSize) {
  Buffer buffer = take(stream_, kSmall);
  const std::byte* memory = bytes_of(buffer);
  for (const std::size_t size : {kSmall - 100, kSmall + 20, std::size_t{990}}) {
    buffer.reset();
    buffer = take(stream_, size);
    ASSERT_EQ(bytes_of(buffer), memory) << "the test is about the same block";
    EXPECT_EQ(ledger_.open_at(memory), size);
  }
}

TEST_F(OpenPartsTest, AtALimitATakeWaitsForTheWorkAndThenOpens) {
  for (const std::size_t size : {kSmall, kLarge}) {
    const MemoryManager manager(mock_.device(), test::Config{.count_limit = 1});
    MemoryManager limited = manager;
    Buffer buffer = limited.get_buffer(size, DeviceType::gpu, stream_);
    const std::byte* memory = bytes_of(buffer);
    std::atomic<std::size_t> open_for_work = 0;
    launch(stream_, [&] { open_for_work = ledger_.open_at(memory); });
    buffer.reset();
    buffer = limited.get_buffer(size - 4, DeviceType::gpu, stream_);
    EXPECT_EQ(open_for_work, size);
    EXPECT_EQ(ledger_.open_at(bytes_of(buffer)), size - 4);
  }
}

TEST_F(OpenPartsTest, WhatAScopeKeepsStaysOpenAsAWholeForItsGraph) {
  std::optional<CaptureScope> scope(std::in_place, manager_, stream_);
  mock_.set_capturing(stream_, true);
  Buffer buffer = take(stream_, kSmall);
  const std::byte* memory = bytes_of(buffer);
  buffer.reset();
  buffer = take(stream_, kSmall - 90);
  ASSERT_EQ(bytes_of(buffer), memory);
  EXPECT_GE(ledger_.open_at(memory), kSmall) << "its first user is in the graph too";
  buffer.reset();
  mock_.set_capturing(stream_, false);
  scope->end_capture();
  EXPECT_GE(ledger_.open_at(memory), kSmall);
  scope.reset();
  mock_.device().synchronize();
  EXPECT_TRUE(ledger_.is_closed(memory, kSmall));
}

TEST_F(OpenPartsTest, AClosedPoolTellsWhatComesBackLater) {
  std::optional<MemoryManager> manager(std::in_place, mock_.device());
  Buffer first = manager->get_buffer(kSmall, DeviceType::gpu, stream_);
  const Buffer second = manager->get_buffer(kSmall, DeviceType::gpu, stream_);
  const std::byte* memory = bytes_of(first);
  manager.reset();
  EXPECT_EQ(ledger_.open_at(memory), kSmall);
  first.reset();
  EXPECT_TRUE(ledger_.is_closed(memory, kSmall));
}

/// A program that takes, uses and returns at random. Its work looks whether what it uses is open.
class Program {
 public:
  Program(MockDevice& mock, const PartLedger& ledger, MemoryManager manager, unsigned seed)
      : ledger_(ledger), manager_(std::move(manager)), random_(seed) {
    for (int i = 0; i < 3; ++i) {
      streams_.push_back(mock.device().make_stream());
    }
  }

  void step() {
    const std::uint32_t draw = random_() % 100;
    if (draw < 45 && held_.size() < 24) {
      take();
    } else if (draw < 75 && !held_.empty()) {
      use(held_.at(random_() % held_.size()));
    } else if (draw < 97 && !held_.empty()) {
      std::swap(held_.at(random_() % held_.size()), held_.back());
      held_.pop_back();
    } else if (draw == 97) {
      manager_.trim();
    } else {
      streams_.at(random_() % streams_.size()).synchronize();
    }
  }

  void expect_held_is_open() const {
    for (const Buffer& buffer : held_) {
      EXPECT_EQ(ledger_.open_at(bytes_of(buffer)), buffer.size());
    }
  }
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  [[nodiscard]] int wrong_uses() const { return *wrong_; }

 private:
  void take() {
    const std::size_t size =
        random_() % 5 == 0 ? (1 << 20) + random_() % (1 << 20) : 1 + random_() % 5000;
    constexpr std::array kTypes{DeviceType::gpu, DeviceType::gpu, DeviceType::cpu};
    held_.push_back(manager_.get_buffer(
        size, kTypes.at(random_() % 3), streams_.at(random_() % streams_.size())));
  }
  void use(const Buffer& buffer) {
    const Stream& stream = streams_.at(random_() % streams_.size());
    launch(stream,
           [&ledger = ledger_, wrong = wrong_, memory = bytes_of(buffer), size = buffer.size()] {
             *wrong += ledger.open_at(memory) == size ? 0 : 1;
           });
    buffer.record_use(stream);
  }

  const PartLedger& ledger_;
  MemoryManager manager_;
  std::mt19937 random_;
  std::vector<Stream> streams_;
  std::vector<Buffer> held_;
  std::shared_ptr<std::atomic<int>> wrong_ = std::make_shared<std::atomic<int>>(0);
};

TEST(OpenPartsRandomTest, WhatSomebodyHasOrWorkUsesIsOpenAndNothingElse) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    PartLedger ledger;
    MockDevice mock({.random_order = true,
                     .seed = seed,
                     .granularity = std::size_t{64} << 10,
                     .observer = &ledger});
    const test::Config config{.soft_byte_limit = seed % 3 == 0 ? std::size_t{8} << 20 : 0};
    const MemoryManager manager(mock.device(), config);
    Program program(mock, ledger, manager, seed);
    for (int i = 0; i < 600; ++i) {
      program.step();
      program.expect_held_is_open();
    }
    mock.device().synchronize();
    EXPECT_EQ(ledger.open_parts(), program.held()) << seed;
    EXPECT_EQ(program.wrong_uses(), 0) << seed;
    EXPECT_THAT(ledger.wrong(), testing::IsEmpty()) << seed;
  }
}

TEST(OpenPartsStressTest, OnSeveralThreads) {
  PartLedger ledger;
  MockDevice mock({.random_order = true, .seed = 8, .observer = &ledger});
  const MemoryManager manager(mock.device());
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        Program program(mock, ledger, manager, 100 + i);
        for (int step = 0; step < 1500; ++step) {
          program.step();
          program.expect_held_is_open();
        }
        mock.device().synchronize();
        wrong += program.wrong_uses();
      });
    }
  }
  mock.device().synchronize();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(ledger.open_parts(), 0U);
  EXPECT_THAT(ledger.wrong(), testing::IsEmpty());
  EXPECT_GT(ledger.opened(), 1000U);
}

}  // namespace
}  // namespace headrace::core
