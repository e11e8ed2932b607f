// SPDX-License-Identifier: Apache-2.0
#include "registry/device_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace headrace::registry {
namespace {

using testing::ElementsAre;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
const std::string kCard(32, 'a');
const std::string kOtherCard(32, 'b');

DeviceInfo gpu(std::string spec, std::uint64_t bytes, std::string uuid = "") {
  DeviceInfo info;
  info.spec = std::move(spec);
  info.total_bytes = bytes;
  info.is_gpu = true;
  info.uuid = std::move(uuid);
  return info;
}

DeviceInfo unified(DeviceInfo info) {
  info.unified_memory = true;
  return info;
}

DeviceInfo no_gpu(std::string spec, std::uint64_t bytes) {
  DeviceInfo info = unified(gpu(std::move(spec), bytes));
  info.is_gpu = false;
  return info;
}

std::vector<std::string> best_first(std::vector<DeviceInfo> devices) {
  put_best_first(devices);
  std::vector<std::string> specs;
  for (const DeviceInfo& info : devices) {
    specs.push_back(info.spec);
  }
  return specs;
}

TEST(DeviceOrderTest, GpusComeFirstWhateverTheirMemory) {
  EXPECT_THAT(best_first({no_gpu("host", 512 * kGiB), gpu("cuda:0", kGiB)}),
              ElementsAre("cuda:0", "host"));
}

TEST(DeviceOrderTest, MemoryOfItsOwnBeatsMoreOfTheHosts) {
  EXPECT_THAT(best_first({unified(gpu("vulkan:0", 64 * kGiB)), gpu("vulkan:1", 8 * kGiB)}),
              ElementsAre("vulkan:1", "vulkan:0"));
}

TEST(DeviceOrderTest, MoreMemoryComesFirst) {
  EXPECT_THAT(best_first({gpu("a", 8 * kGiB), gpu("b", 24 * kGiB), gpu("c", 16 * kGiB)}),
              ElementsAre("b", "c", "a"));
  EXPECT_THAT(best_first({unified(gpu("a", kGiB)), unified(gpu("b", 2 * kGiB))}),
              ElementsAre("b", "a"));
}

// What the second backend says of its memory is a little more.
TEST(DeviceOrderTest, OfOneCardTheFirstBackendsEntryComesFirst) {
  EXPECT_THAT(best_first({gpu("cuda:0", 80 * kGiB - 1, kCard), gpu("vulkan:0", 80 * kGiB, kCard)}),
              ElementsAre("cuda:0", "vulkan:0"));
  EXPECT_THAT(best_first({gpu("cuda:0", 80 * kGiB, kCard), gpu("vulkan:0", 80 * kGiB - 1, kCard)}),
              ElementsAre("cuda:0", "vulkan:0"));
}

TEST(DeviceOrderTest, OneCardsEntriesStandTogetherAmongOthers) {
  EXPECT_THAT(best_first({gpu("cuda:0", 80 * kGiB - 2, kCard),
                          gpu("vulkan:0", 80 * kGiB - 1, kOtherCard),
                          gpu("vulkan:1", 80 * kGiB, kCard)}),
              ElementsAre("cuda:0", "vulkan:1", "vulkan:0"));
}

TEST(DeviceOrderTest, EntriesWithoutAUuidAreCardsOfTheirOwn) {
  EXPECT_THAT(best_first({gpu("cuda:0", kGiB), gpu("vulkan:0", 2 * kGiB), gpu("vulkan:1", kGiB)}),
              ElementsAre("vulkan:0", "cuda:0", "vulkan:1"));
}

TEST(DeviceOrderTest, OneBackendThatCallsACardsMemoryUnifiedSpeaksForAll) {
  EXPECT_THAT(best_first({unified(gpu("cuda:0", 64 * kGiB, kCard)),
                          gpu("vulkan:0", 64 * kGiB, kCard),
                          gpu("vulkan:1", 8 * kGiB, kOtherCard)}),
              ElementsAre("vulkan:1", "cuda:0", "vulkan:0"));
}

TEST(DeviceOrderTest, WhatIsNoGpuKeepsItsOrderWhateverItsMemory) {
  EXPECT_THAT(best_first({no_gpu("host", kGiB), no_gpu("vulkan:0", 2 * kGiB)}),
              ElementsAre("host", "vulkan:0"));
}

}  // namespace
}  // namespace headrace::registry
