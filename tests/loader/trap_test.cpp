// SPDX-License-Identifier: Apache-2.0
// Faults that other loaders shipped, where no test of this one's own rules covers them
// (docs/design/015-traps.md).
#include "loader_fixture.h"

#include <gmock/gmock.h>

#include <future>
#include <numeric>
#include <thread>

namespace headrace::testing {
namespace {

using ::testing::HasSubstr;

class LoaderTraps : public LoaderTest {};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderTraps, kLoaderDevices);

void fill_queue(const AsyncDataLoader& loader) {
  while (loader.stats().queued_batches < loader.stats().queue_capacity) {
    std::this_thread::yield();
  }
}

TEST_P(LoaderTraps, AFailureThatNobodyTookEndsWithTheLoader) {
  auto source = std::make_shared<CountingSource>(40);
  for (std::uint64_t index = 0; index < 40; ++index) {
    source->failing.insert(index);
  }
  for (int life = 0; life < 20; ++life) {
    AsyncDataLoader loader(source, config(4));
    loader.start();
    if (life % 2 == 0) {
      fill_queue(loader);
    }
  }
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
}

TEST_P(LoaderTraps, FailuresDoNotShrinkThePipeline) {
  auto source = std::make_shared<CountingSource>(200);
  for (std::uint64_t index = 0; index < 100; ++index) {
    source->failing.insert(index);
  }
  AsyncDataLoaderConfig settings = config(1);
  settings.workers = 3;
  AsyncDataLoader loader(source, settings);
  loader.start();
  const std::size_t capacity = loader.stats().queue_capacity;
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(message_of([&] { loader.get_batch(); }), HasSubstr("torn"));
  }
  fill_queue(loader);
  EXPECT_EQ(loader.stats().queue_capacity, capacity);
  EXPECT_EQ(loader.stats().workers, 3U);
  EXPECT_EQ(drain(loader).size(), 100U);
}

TEST_P(LoaderTraps, OnlyTheLastBatchIsShort) {
  for (const std::size_t workers : {1, 4, 8}) {
    for (int run = 0; run < 5; ++run) {
      AsyncDataLoaderConfig settings = config(64);
      settings.workers = workers;
      AsyncDataLoader loader(std::make_shared<CountingSource>(1000), settings);
      loader.start();
      std::vector<std::int64_t> counts;
      while (const std::optional<GPUBatch> batch = loader.get_batch()) {
        counts.push_back(batch->valid_count);
      }
      std::vector<std::int64_t> wanted(15, 64);
      wanted.push_back(40);
      EXPECT_EQ(counts, wanted);
    }
  }
}

TEST_P(LoaderTraps, ARestartMidwayLosesNoSample) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(100), config(8));
  std::vector<std::int64_t> wanted(100);
  std::iota(wanted.begin(), wanted.end(), 0);
  for (std::size_t taken = 0; taken < 5; ++taken) {
    loader.start();
    for (std::size_t i = 0; i < taken; ++i) {
      EXPECT_TRUE(loader.get_batch());
    }
    loader.stop();
    loader.start();
    EXPECT_EQ(drain(loader), wanted) << "after " << taken << " batches";
  }
}

TEST_P(LoaderTraps, ManyMayStopAtOnce) {
  for (int life = 0; life < 20; ++life) {
    AsyncDataLoader loader(std::make_shared<CountingSource>(400), config(4));
    loader.start();
    const auto wait = [&loader] {
      try {
        while (loader.get_batch()) {
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::stopped);
      }
    };
    auto consumer = std::async(std::launch::async, wait);
    auto first = std::async(std::launch::async, [&loader] { loader.stop(); });
    auto second = std::async(std::launch::async, [&loader] { loader.stop(); });
    first.get();
    second.get();
    consumer.get();
    EXPECT_FALSE(loader.stats().is_running);
    loader.stop();
  }
}

/// Samples out of another loader's batches.
class NestedSource final : public SampleSource {
 public:
  NestedSource(std::shared_ptr<CountingSource> inner, const AsyncDataLoaderConfig& settings)
      : inner_(std::move(inner)), settings_(settings) {}

  [[nodiscard]] SampleSpec spec() const override {
    return {.input_shape = Shape{3},
            .input_dtype = DataType::int32,
            .label_shape = {},
            .label_dtype = DataType::int64,
            .fields = {}};
  }
  [[nodiscard]] std::size_t size() const override { return inner_->size(); }
  void read(const ReadContext& context, SampleView& into) const override {
    AsyncDataLoader loader(subset(inner_, {context.index}), settings_);
    loader.start();
    const std::optional<GPUBatch> batch = loader.get_batch();
    const std::vector<std::int32_t> input = batch->input_tensor.to_vector<std::int32_t>();
    const std::vector<std::int64_t> label = batch->label_tensor.to_vector<std::int64_t>();
    std::memcpy(into.input.data(), input.data(), into.input.size());
    std::memcpy(into.label.data(), label.data(), into.label.size());
  }

 private:
  std::shared_ptr<CountingSource> inner_;
  AsyncDataLoaderConfig settings_;
};

TEST_P(LoaderTraps, ASourceMayBeFedByLoadersItself) {
  const auto source =
      std::make_shared<NestedSource>(std::make_shared<CountingSource>(12), config(1));
  AsyncDataLoaderConfig settings = config(5);
  settings.workers = 1;
  AsyncDataLoader loader(source, settings);
  loader.start();
  std::vector<std::int64_t> wanted(12);
  std::iota(wanted.begin(), wanted.end(), 0);
  EXPECT_EQ(drain(loader), wanted);
}

TEST_P(LoaderTraps, LoadersSideBySideAllGoOn) {
  constexpr std::size_t kLoaders = 6;
  // None may pass its middle before all have come to it.
  std::atomic<std::size_t> at_middle = 0;
  const auto consume = [&](std::size_t number) {
    AsyncDataLoaderConfig settings = config(10);
    settings.shuffle = true;
    settings.seed = number;
    settings.workers = 1 + number % 3;
    AsyncDataLoader loader(std::make_shared<CountingSource>(400), settings);
    loader.start();
    std::vector<std::int64_t> all;
    while (const std::optional<GPUBatch> batch = loader.get_batch()) {
      const std::vector<std::int64_t> labels = checked_labels(*batch);
      all.insert(all.end(), labels.begin(), labels.end());
      if (batch->batch_id == 20) {
        ++at_middle;
        while (at_middle < kLoaders) {
          std::this_thread::yield();
        }
      }
    }
    std::ranges::sort(all);
    return all;
  };
  std::vector<std::future<std::vector<std::int64_t>>> loaders;
  for (std::size_t number = 0; number < kLoaders; ++number) {
    loaders.push_back(std::async(std::launch::async, consume, number));
  }
  std::vector<std::int64_t> wanted(400);
  std::iota(wanted.begin(), wanted.end(), 0);
  for (auto& loader : loaders) {
    EXPECT_EQ(loader.get(), wanted);
  }
}

}  // namespace
}  // namespace headrace::testing
