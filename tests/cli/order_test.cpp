// SPDX-License-Identifier: Apache-2.0
// The order of samples that the program reports, as a digest.
#include "headrace/device.h"
#include "headrace/loader.h"
#include "headrace/source.h"

#include "cli/digest.h"
#include "stream_report.h"

#include <fmt/format.h>

#include <cstdint>
#include <set>
#include <string>

namespace headrace::test {
namespace {

std::string digest(Arguments options) {
  options.insert(options.end(), {"--epochs", "3"});
  return stream(digits(), options)["order_digest"];
}

TEST(Order, DependsOnNoWorkerAndNoPrefetch) {
  const std::string order = digest({"--shuffle", "--seed", "7"});
  for (const char* workers : {"1", "2", "4"}) {
    EXPECT_EQ(digest({"--shuffle", "--seed", "7", "--workers", workers}), order) << workers;
  }
  for (const char* prefetch : {"1", "3", "8"}) {
    EXPECT_EQ(digest({"--shuffle", "--seed", "7", "--prefetch", prefetch}), order) << prefetch;
  }
  EXPECT_EQ(digest({"--shuffle", "--seed", "7", "--batch", "10"}), order);
}

TEST(Order, DependsOnTheSeed) {
  std::set<std::string> orders;
  for (const char* seed : {"0", "1", "7", "18446744073709551615"}) {
    orders.insert(digest({"--shuffle", "--seed", seed}));
  }
  EXPECT_EQ(orders.size(), 4);
  EXPECT_EQ(digest({"--seed", "1"}), digest({"--seed", "2"}));
  EXPECT_FALSE(orders.contains(digest({})));
}

// What each rank must be given: its blocks of the one order that a single process has.
std::vector<std::string> digests_of_ranks(std::uint64_t ranks, std::uint64_t batch_size) {
  AsyncDataLoaderConfig config;
  config.memory_manager = MemoryManager(open_device("host"));
  config.batch_size = ranks * batch_size;
  config.epochs = 3;
  config.shuffle = true;
  config.seed = 7;
  AsyncDataLoader loader(open_source(digits()), config);
  std::vector<cli::OrderDigest> digests(ranks);
  for (const GPUBatch& step : loader) {
    const auto ids = step.sample_ids();
    std::size_t begin = 0;
    for (std::uint64_t rank = 0; rank < ranks; ++rank) {
      const std::size_t count = ids.size() / ranks + (rank < ids.size() % ranks ? 1 : 0);
      digests[rank].add(step.epoch, ids.subspan(begin, count));
      begin += count;
    }
  }
  std::vector<std::string> result;
  for (const cli::OrderDigest& one : digests) {
    result.push_back(fmt::format("{:016x}", one.value()));
  }
  return result;
}

TEST(Order, ShardsTogetherAreTheWhole) {
  const std::vector<std::string> expected = digests_of_ranks(3, 50);
  std::uint64_t samples = 0;
  for (int rank = 0; rank < 3; ++rank) {
    const Json json = stream(digits(),
                             {"--shard",
                              fmt::format("{}/3", rank),
                              "--batch",
                              "50",
                              "--shuffle",
                              "--seed",
                              "7",
                              "--epochs",
                              "3",
                              "--verify"});
    EXPECT_EQ(json["order_digest"], expected[static_cast<std::size_t>(rank)]);
    EXPECT_EQ(json["batches"], 3 * 12);
    samples += json["samples"].get<std::uint64_t>();
  }
  EXPECT_EQ(samples, 3 * 1797);
}

}  // namespace
}  // namespace headrace::test
