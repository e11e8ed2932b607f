// SPDX-License-Identifier: Apache-2.0
// Random lives of a loader, thousands of steps of them, under whatever sanitizer is on.
#include "loader_fixture.h"

#include <random>
#include <thread>

namespace headrace::testing {
namespace {

class LoaderStress : public LoaderTest {};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderStress, kLoaderDevices);

/// What one thread does to a loader that others do things to at the same time.
class Meddler {
 public:
  Meddler(AsyncDataLoader& loader, std::uint64_t seed) : loader_(loader), random_(seed) {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      try {
        act();
      } catch (const Error& error) {
        const bool allowed = error.code() == ErrorCode::stopped ||
                             error.code() == ErrorCode::invalid_argument ||
                             error.code() == ErrorCode::capacity;
        ASSERT_TRUE(allowed) << error.what();
      }
    }
  }

 private:
  void act() {
    switch (random_() % 12) {
      case 0:
        loader_.start();
        break;
      case 1:
        loader_.stop();
        break;
      case 2:
        held_.clear();
        break;
      case 3:
        ASSERT_LE(loader_.stats().queued_batches, loader_.stats().queue_capacity);
        break;
      case 4:
        static_cast<void>(loader_.state());
        break;
      case 5:
        keep(loader_.try_get_batch());
        break;
      case 6:
        if (!held_.empty()) {
          held_.back().release();
          held_.pop_back();
        }
        break;
      default:
        keep(loader_.get_batch());
    }
  }

  void keep(std::optional<GPUBatch> batch) {
    if (!batch) {
      return;
    }
    const std::vector<std::int64_t> labels = checked_labels(*batch);
    ASSERT_EQ(static_cast<std::int64_t>(labels.size()), batch->valid_count);
    ASSERT_LE(batch->generation, loader_.stats().generation);
    if (random_() % 3 == 0) {
      held_.push_back(std::move(*batch));
    }
  }

  AsyncDataLoader& loader_;
  std::mt19937_64 random_;
  std::vector<GPUBatch> held_;
};

TEST_P(LoaderStress, RandomLivesOfManyThreads) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    AsyncDataLoaderConfig settings = config(3 + seed % 4);
    settings.workers = 1 + seed % 3;
    settings.prefetch_depth = 1 + seed % 4;
    settings.epochs = seed % 3;
    settings.shuffle = seed % 2 == 0;
    settings.ordered = seed % 4 != 1;
    settings.byte_budget = std::size_t{64} << 10;
    AsyncDataLoader loader(std::make_shared<CountingSource>(37), settings);
    loader.start();
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < 3; ++thread) {
      threads.emplace_back(
          [&loader, seed, thread] { Meddler(loader, seed * 10 + thread).run(150); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    loader.stop();
  }
}

TEST_P(LoaderStress, StartAndStopAgainAndAgain) {
  AsyncDataLoaderConfig settings = config(2);
  settings.epochs = 0;
  settings.workers = 3;
  AsyncDataLoader loader(std::make_shared<CountingSource>(9), settings);
  std::mt19937_64 random(4);
  for (int round = 0; round < 300; ++round) {
    loader.start();
    std::int64_t expected = 0;
    for (std::uint64_t batches = random() % 6; batches > 0; --batches) {
      const std::optional<GPUBatch> batch = loader.get_batch();
      ASSERT_EQ(checked_labels(*batch).front(), expected);
      ASSERT_EQ(batch->generation, static_cast<std::uint64_t>(round + 1));
      expected = expected == 8 ? 0 : expected + 2;
    }
    loader.stop();
  }
}

}  // namespace
}  // namespace headrace::testing
