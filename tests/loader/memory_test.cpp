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
    return {stats.reserved_bytes,
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

}  // namespace
}  // namespace headrace::testing
