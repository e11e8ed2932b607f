// SPDX-License-Identifier: Apache-2.0
// Random lives of a loader, thousands of steps of them, under whatever sanitizer is on.
#include "loader_fixture.h"

#include <random>
#include <thread>

namespace headrace::testing {
namespace {

class LoaderStress : public LoaderTest {};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderStress, kLoaderDevices);

/// The field of every sample says how often the loader had been started when it was read.
class SourceOfItsTime : public CountingSource {
 public:
  using CountingSource::CountingSource;

  void read(const ReadContext& context, SampleView& into) const override {
    CountingSource::read(context, into);
    const std::uint64_t now = starts;
    std::memcpy(into.fields.at(0).data(), &now, sizeof now);
  }

  /// Starts `loader` anew; no read is under way while the count changes.
  void restart(AsyncDataLoader& loader) {
    const std::scoped_lock lock(restarting_);
    loader.stop();
    ++starts;
    loader.start();
  }

  std::atomic<std::uint64_t> starts{0};

 private:
  std::mutex restarting_;
};

/// What one thread does to a loader that others do things to at the same time.
class Meddler {
 public:
  Meddler(AsyncDataLoader& loader, SourceOfItsTime& source, std::uint64_t seed)
      : loader_(loader), source_(source), random_(seed) {}

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
    least_generation_ = loader_.stats().generation;
    switch (random_() % 12) {
      case 0:
        source_.restart(loader_);
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
    ASSERT_GE(batch->generation, least_generation_);
    const auto read_in = batch->tensor("key").to_vector<std::uint64_t>();
    ASSERT_EQ(read_in, std::vector<std::uint64_t>(labels.size(), batch->generation));
    if (random_() % 3 == 0) {
      held_.push_back(std::move(*batch));
    }
  }

  AsyncDataLoader& loader_;
  SourceOfItsTime& source_;
  std::mt19937_64 random_;
  std::uint64_t least_generation_ = 0;  // of whatever is taken from here on
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
    const auto source = std::make_shared<SourceOfItsTime>(37);
    AsyncDataLoader loader(source, settings);
    source->restart(loader);
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&, thread] { Meddler(loader, *source, seed * 10 + thread).run(150); });
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
