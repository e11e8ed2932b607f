// SPDX-License-Identifier: Apache-2.0
// A loader that runs takes no device memory anew, and of the host's nothing for a batch but, where
// rows are expanded, what the device is handed.
#include "headrace/loader.h"

#include "news.h"

#include <gtest/gtest.h>

#include <numeric>

namespace headrace {
namespace {

constexpr std::size_t kSamples = 1000;

/// Of a submission, its outcome, its commands.
constexpr std::size_t kNewsOfAnExpansion = 3;

struct Counts {
  std::size_t news = 0;
  std::uint64_t segments = 0;
  std::uint64_t reserved_bytes = 0;
};

class SteadyState : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    if (!test::kNewsAreOurs) {
      GTEST_SKIP() << "ThreadSanitizer's library owns operator new";
    }
    std::iota(inputs_.begin(), inputs_.end(), 0);
  }

  AsyncDataLoaderConfig config() const {
    AsyncDataLoaderConfig config;
    config.batch_size = GetParam();
    config.epochs = 0;
    config.shuffle = true;
    config.memory_manager = manager_;
    return config;
  }

  /// What `count` batches take, once as many have been taken.
  Counts count(const AsyncDataLoaderConfig& config, int count) {
    AsyncDataLoader loader(
        open_memory(std::as_bytes(std::span(inputs_)),
                    std::as_bytes(std::span(labels_)),
                    {.input_shape = {4, 4, 3}, .input_dtype = DataType::uint8, .label_shape = {}}),
        config);
    loader.start();
    take(loader, count);
    const MemoryStats before = manager_.stats();
    const std::size_t news_before = test::news_so_far;
    take(loader, count);
    const std::size_t news = test::news_so_far - news_before;
    const MemoryStats after = manager_.stats();
    return {.news = news,
            .segments = after.segments - before.segments,
            .reserved_bytes = after.reserved_bytes - before.reserved_bytes};
  }

 private:
  static void take(AsyncDataLoader& loader, int count) {
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(loader.get_batch());
    }
  }

  std::vector<std::uint8_t> inputs_ = std::vector<std::uint8_t>(kSamples * 4 * 4 * 3);
  std::vector<std::int64_t> labels_ = std::vector<std::int64_t>(kSamples);
  MemoryManager manager_{open_device("host")};
};

constexpr int kBatches = 1000;
constexpr std::size_t kEpochs = 40;  // most that may begin meanwhile, each with a little of its own

TEST_P(SteadyState, RowsThatStayAsTheyAreCostNothing) {
  const Counts counts = count(config(), kBatches);
  EXPECT_EQ(counts.segments, 0U);
  EXPECT_EQ(counts.reserved_bytes, 0U);
  EXPECT_LE(counts.news, kEpochs);
}

TEST_P(SteadyState, ExpandedRowsCostTheirSubmissions) {
  AsyncDataLoaderConfig expanding = config();
  expanding.output = {.dtype = DataType::float16, .layout = Layout::chw, .mean = {0.5}};
  const Counts counts = count(expanding, kBatches);
  EXPECT_EQ(counts.segments, 0U);
  EXPECT_EQ(counts.reserved_bytes, 0U);
  EXPECT_LE(counts.news, kNewsOfAnExpansion * kBatches + kEpochs);
}

INSTANTIATE_TEST_SUITE_P(BatchSizes, SteadyState, testing::Values(1, 8, 200));

}  // namespace
}  // namespace headrace
