// SPDX-License-Identifier: Apache-2.0
// What bounds a run, told of real runs that are each made to be bound by one thing.
#include "cli/bound_by.h"

#include "headrace/loader.h"
#include "headrace/testing.h"

#include "support/loader_sources.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace headrace::cli {

void PrintTo(BoundBy bound_by, std::ostream* to) {
  *to << to_string(bound_by);
}

namespace {

using namespace std::chrono_literals;
using testing::CountingSource;

/// Loads 100 batches and says what bound it.
class BoundByRun : public ::testing::Test {
 protected:
  template <class Consume>
  BoundBy run(const Device& device, const Consume& consume) {
    AsyncDataLoaderConfig config;
    config.batch_size = 2;
    config.memory_manager = MemoryManager(device);
    AsyncDataLoader loader(source_, config);
    const auto begin = std::chrono::steady_clock::now();
    loader.start();
    while (std::optional<GPUBatch> batch = loader.get_batch()) {
      consume(*batch);
    }
    load_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return bound_by(loader.stats(), load_);
  }

  std::shared_ptr<CountingSource> source_ = std::make_shared<CountingSource>(200);
  Load load_{.seconds = 0, .processor_seconds = 0, .storage_reads = 0};
};

void take(const GPUBatch& /*batch*/) {}

TEST_F(BoundByRun, AConsumerThatTakesItsTime) {
  EXPECT_EQ(run(open_device("host"), [](const GPUBatch&) { std::this_thread::sleep_for(5ms); }),
            BoundBy::consumer);
}

TEST_F(BoundByRun, SamplesThatAreSlowToDecode) {
  source_->on_read = [](const ReadContext&) { std::this_thread::sleep_for(2ms); };
  EXPECT_EQ(run(open_device("host"), take), BoundBy::decode);
}

TEST_F(BoundByRun, SamplesThatStorageIsSlowToGive) {
  source_->on_read = [](const ReadContext&) { std::this_thread::sleep_for(2ms); };
  load_.storage_reads = 1;
  EXPECT_EQ(run(open_device("host"), take), BoundBy::storage);
}

TEST_F(BoundByRun, BatchesThatAreHeld) {
  source_->on_read = [](const ReadContext&) { std::this_thread::sleep_for(2ms); };
  std::vector<Tensor> held;
  EXPECT_EQ(run(open_device("host"),
                [&held](const GPUBatch& batch) { held.push_back(batch.input_tensor); }),
            BoundBy::held);
}

TEST_F(BoundByRun, ALinkThatIsSlow) {
  MockDevice mock;  // whose memory the host does not see
  std::atomic<bool> is_over = false;
  std::thread link([&] {
    while (!is_over) {
      std::this_thread::sleep_for(5ms);
      mock.complete_all();
    }
  });
  EXPECT_EQ(run(mock.device(), take), BoundBy::link);
  is_over = true;
  link.join();
}

}  // namespace
}  // namespace headrace::cli
