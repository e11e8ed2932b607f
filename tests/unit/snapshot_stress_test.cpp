// SPDX-License-Identifier: Apache-2.0
#include "support/core_helpers.h"
#include "support/snapshot_reading.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

// Whoever looks at a pool disturbs nobody and reads nothing that others are writing.

namespace headrace::core {
namespace {

using test::add_up;
using test::Json;
using test::launch;
using test::number;
using test::SnapshotSums;

const std::array<std::string, 4> kNames{"", "weights", "activations", "scratch"};

/// Takes and returns under changing tags until told to stop.
void churn(MemoryManager& manager, const Stream& stream, int seed, const std::atomic<bool>& stop) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::vector<Buffer> taken;
  for (int step = 0; step < 4000 || !stop; ++step) {
    const MemoryTag tag(kNames.at(random() % kNames.size()));
    if (taken.size() < 64 && random() % 2 == 0) {
      const std::size_t size = 1 + random() % (std::size_t{1} << (8 + random() % 6));
      const auto kind = random() % 8 == 0 ? DeviceType::cpu : DeviceType::gpu;
      taken.push_back(manager.get_buffer(random() % 64 == 0 ? 3 << 20 : size, kind, stream));
    } else if (!taken.empty()) {
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(random() % taken.size()));
    }
    if (random() % 1000 == 0) {
      manager.trim();
    }
  }
}

TEST(SnapshotStressTest, WhileThreadsTakeAndReturn) {
  const MockDevice mock({.random_order = true, .seed = 5});
  MemoryManager manager(mock.device());
  std::atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const Stream own = mock.device().make_stream();
      churn(manager, i % 2 == 0 ? Stream{} : own, i, stop);
    });
  }
  for (int look = 0; look < 40; ++look) {
    const SnapshotSums sums = add_up(Json::parse(manager.snapshot()));
    for (const auto& [name, stats] : sums.tags) {
      EXPECT_THAT(kNames, testing::Contains(name));
    }
    for (const auto& [name, stats] : manager.tag_stats()) {
      EXPECT_THAT(kNames, testing::Contains(name));
      EXPECT_LE(stats.requested_bytes, stats.bytes);
      EXPECT_LE(stats.buffers, 4U * 64U);
    }
    manager.reset_peaks();
  }
  stop = true;
  threads.clear();
  EXPECT_TRUE(manager.tag_stats().empty());
  EXPECT_EQ(manager.stats().current_bytes, 0U);
  const SnapshotSums sums = add_up(Json::parse(manager.snapshot()));
  EXPECT_EQ(sums.reserved_bytes, manager.stats().reserved_bytes);
  EXPECT_TRUE(sums.tags.empty());
  test::expect_ledger_balances(manager, mock);
}

/// What the one span of the one segment says of `uses`.
std::uint64_t uses_in(const MemoryManager& manager) {
  const Json json = Json::parse(manager.snapshot());
  return number(json.at("segments").at(0).at("spans").at(0), "uses");
}

TEST(SnapshotUsesTest, AFreeSpanSaysHowManyStreamsMayStillUseIt) {
  const MockDevice mock({.random_order = true, .seed = 6});
  MemoryManager manager(mock.device());
  const Stream first = mock.device().make_stream();
  const Stream second = mock.device().make_stream();
  Buffer buffer = manager.get_buffer(3 << 20, DeviceType::gpu, first);
  launch(first, [] {});
  launch(second, [] {});
  buffer.record_use(second);
  EXPECT_EQ(uses_in(manager), 0U) << "what a buffer's holder does is the holder's";
  buffer.reset();
  EXPECT_EQ(uses_in(manager), 2U);
  second.synchronize();
  EXPECT_EQ(uses_in(manager), 1U) << "as far as is known without asking";
  first.synchronize();
  EXPECT_EQ(uses_in(manager), 0U);
}

TEST(SnapshotUsesTest, ABlockThatAnyStreamMayTakeHasNone) {
  const MockDevice mock;
  MemoryManager manager(mock.device());
  const Stream stream = mock.device().make_stream();
  const auto stream_of_the_block = [&manager] {
    const Json json = Json::parse(manager.snapshot());
    return number(json.at("segments").at(0).at("spans").at(0).at("blocks").at(0), "stream");
  };
  Buffer buffer = manager.get_buffer(1000, DeviceType::gpu, stream);
  EXPECT_EQ(stream_of_the_block(), stream.id());
  buffer.reset();
  EXPECT_EQ(stream_of_the_block(), stream.id()) << "in a magazine of the stream";
  buffer = manager.get_buffer(1000, DeviceType::gpu, stream);
  buffer.record_use(mock.device().make_stream());
  buffer.reset();
  EXPECT_EQ(stream_of_the_block(), 0U);
}

}  // namespace
}  // namespace headrace::core
