// SPDX-License-Identifier: Apache-2.0
// Loaders with less memory than their ring would take: slots share what there is.
#include "loader_fixture.h"

#include <gmock/gmock.h>

#include <future>

namespace headrace::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kBatch = 64;
constexpr std::size_t kBatches = 40;

class LoaderMemory : public LoaderTest {
 protected:
  /// Takes every batch and releases it at once; the ids must come in the source's order.
  static void expect_all(AsyncDataLoader& loader) {
    loader.start();
    std::uint64_t expected = 0;
    while (const std::optional<GPUBatch> batch = loader.get_batch()) {
      for (const std::uint64_t id : batch->sample_ids()) {
        ASSERT_EQ(id, expected++);
      }
    }
    EXPECT_EQ(expected, kBatch * kBatches);
  }

  /// What a ring takes that may take all it likes.
  struct Need {
    std::size_t bytes;
    std::size_t buffers;
    std::size_t device_bytes;
  };
  template <class Source>
  [[nodiscard]] Need need(AsyncDataLoaderConfig settings) const {
    const MemoryManager roomy(device_);
    settings.memory_manager = roomy;
    AsyncDataLoader loader(std::make_shared<Source>(kBatch * kBatches), settings);
    expect_all(loader);
    const MemoryStats stats = roomy.stats();
    return {stats.peak_bytes,
            stats.current_buffers + stats.cached_buffers,
            loader.stats().peak_device_bytes};
  }

  [[nodiscard]] AsyncDataLoaderConfig with(MemoryManagerConfig limits, std::size_t workers) const {
    AsyncDataLoaderConfig settings = config(kBatch);
    settings.memory_manager = MemoryManager(device_, std::move(limits));
    settings.workers = workers;
    return settings;
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderMemory, kLoaderDevices);

TEST_P(LoaderMemory, ABudgetBelowTheRingServesASerialSource) {
  const std::size_t all = need<CountingSerialSource>(config(kBatch)).device_bytes;
  for (const std::size_t budget : {all - 1, all / 4}) {
    for (const std::size_t workers : {1, 2, 5}) {
      AsyncDataLoaderConfig settings = config(kBatch);
      settings.byte_budget = budget;
      settings.workers = workers;
      AsyncDataLoader loader(std::make_shared<CountingSerialSource>(kBatch * kBatches), settings);
      expect_all(loader);
      EXPECT_LE(loader.stats().peak_device_bytes, budget);
    }
  }
}

TEST_P(LoaderMemory, AByteLimitBelowTheRingIsEnough) {
  const std::size_t all = need<CountingSource>(config(kBatch)).bytes;
  for (const std::size_t limit : {all - 1, all / 4}) {
    for (const std::size_t workers : {1, 2, 5}) {
      MemoryManagerConfig limits;
      limits.byte_limit = limit;
      AsyncDataLoader loader(std::make_shared<CountingSource>(kBatch * kBatches),
                             with(limits, workers));
      expect_all(loader);
    }
  }
}

TEST_P(LoaderMemory, ACountLimitBelowTheRingIsEnough) {
  AsyncDataLoaderConfig expanding = config(kBatch);
  expanding.output.dtype = DataType::float16;
  for (const AsyncDataLoaderConfig& plain : {config(kBatch), expanding}) {
    const std::size_t all = need<CountingSource>(plain).buffers;
    for (const std::size_t limit : {all - 1, all / 2 + 1, all / 4}) {
      MemoryManagerConfig limits;
      limits.count_limit = limit;
      AsyncDataLoaderConfig settings = with(limits, 3);
      settings.output = plain.output;
      AsyncDataLoader loader(std::make_shared<CountingSource>(kBatch * kBatches), settings);
      expect_all(loader);
    }
  }
}

// What a batch takes is what the manager rounds it to, no more.
TEST_P(LoaderMemory, ABudgetOfExactlyOneBatchIsEnough) {
  AsyncDataLoaderConfig settings = config(1500);  // 1500 x 28 bytes and alignment.
  const std::size_t batch = manager_.get_buffer(1500 * 28 + 512).capacity();
  settings.byte_budget = batch;
  AsyncDataLoader loader(std::make_shared<CountingSource>(4500), settings);
  loader.start();
  std::size_t samples = 0;
  while (const std::optional<GPUBatch> got = loader.get_batch()) {
    samples += static_cast<std::size_t>(got->valid_count);
  }
  EXPECT_EQ(samples, 4500U);
  EXPECT_LE(loader.stats().peak_device_bytes, batch);
}

TEST_P(LoaderMemory, SlotsThatAreTooSmallMakeRoom) {
  class Growing : public DataSource {
   public:
    std::optional<SourceBatch> get_batch(std::size_t n) override {
      const std::size_t width = ++calls_ * 64;
      return SourceBatch{
          std::vector<float>(n * width, static_cast<float>(calls_)), {n, width}, {}, {}};
    }
    [[nodiscard]] std::size_t size() const override { return 64; }
    void reset() override { calls_ = 0; }

   private:
    std::size_t calls_ = 0;
  };
  AsyncDataLoaderConfig settings = config(4);
  settings.byte_budget = std::size_t{24} << 10;  // The largest takes 16 KiB.
  AsyncDataLoader loader(std::make_shared<Growing>(), settings);
  loader.start();
  for (int call = 1; call <= 16; ++call) {
    EXPECT_EQ(loader.get_batch()->input_tensor.to_vector<float>().back(), static_cast<float>(call));
  }
  EXPECT_FALSE(loader.get_batch());
}

TEST_P(LoaderMemory, PartsThatEmptySlotsCannotUseMakeRoom) {
  AsyncDataLoaderConfig settings = config(kBatch);
  settings.output.dtype = DataType::float16;
  // A batch takes 64 x 8 + 64 x 12 bytes, 1280, and 64 x 2 x 2 = 256 expanded. Two but for a byte.
  settings.byte_budget = 2 * (1280 + 256) - 1;
  AsyncDataLoader loader(std::make_shared<CountingSerialSource>(kBatch * kBatches), settings);
  loader.start();
  const Tensor kept = loader.get_batch()->input_tensor;
  std::size_t samples = kBatch;
  while (const std::optional<GPUBatch> batch = loader.get_batch()) {
    samples += batch->sample_ids().size();
  }
  EXPECT_EQ(samples, kBatch * kBatches);
  EXPECT_EQ(static_cast<float>(kept.to_vector<float16>().at(2)), 1.0F);
}

TEST_P(LoaderMemory, TryGetThrowsNothingWhileMemoryIsStillBeingLookedFor) {
  const std::size_t all = need<CountingSource>(config(kBatch)).bytes;
  Gate gate;
  std::atomic<bool> holding{false};
  std::atomic<bool> held_up{false};
  MemoryManagerConfig limits;
  limits.byte_limit = all / 4;
  limits.pressure_callback = [&](std::size_t) {
    if (holding) {
      held_up = true;
      gate.pass();
    }
    return false;
  };
  AsyncDataLoader loader(std::make_shared<CountingSource>(kBatch * kBatches), with(limits, 1));
  loader.start();
  std::optional<GPUBatch> held = loader.get_batch();
  int failures = 0;
  while (!held_up) {
    try {
      loader.try_get_batch();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
      holding = ++failures > 0;  // It is tried once more, because somebody asked.
    }
  }
  EXPECT_GT(failures, 0);
  const auto ask = [&loader] { EXPECT_FALSE(loader.try_get_batch()); };
  EXPECT_NO_THROW(ask());
  EXPECT_NO_THROW(ask());
  held.reset();
  gate.open();
  EXPECT_EQ(loader.get_batch()->sample_ids()[0], kBatch);
}

TEST_P(LoaderMemory, WhoHoldsNothingIsNeverToldThatMemoryIsShort) {
  for (const std::size_t slots : {1, 2, 3}) {
    AsyncDataLoaderConfig settings = config(kBatch);
    settings.byte_budget = slots * 1792 + 10;  // 64 x 28 bytes: 768 + 512 + 512 packed.
    settings.epochs = 20;
    AsyncDataLoader loader(std::make_shared<CountingSource>(kBatch * kBatches), settings);
    loader.start();
    std::size_t batches = 0;
    while (!loader.is_finished()) {
      batches += loader.try_get_batch() ? 1 : 0;
    }
    EXPECT_EQ(batches, kBatches * 20);
  }
}

}  // namespace
}  // namespace headrace::testing
