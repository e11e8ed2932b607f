// SPDX-License-Identifier: Apache-2.0
// Which rows are asked for before they are read, and when.
#include "loader/read_ahead.h"

#include "loader_fixture.h"
#include "sources/file_backed.h"

#include <gmock/gmock.h>

#include <mutex>
#include <numeric>

namespace headrace::testing {
namespace {

using loader::ReadAhead;
using ::testing::IsEmpty;

constexpr std::uint64_t kMany = 1'000'000;

/// The batches that are asked for when `batch` is opened, none of which is found in memory.
std::vector<std::uint64_t> asked(ReadAhead& ahead,
                                 std::uint64_t batch,
                                 std::uint64_t rows,
                                 std::uint64_t batch_count = kMany) {
  const ReadAhead::Range range = ahead.open(batch, batch_count, rows);
  std::vector<std::uint64_t> batches;
  for (std::uint64_t b = range.begin; b < range.end; ++b) {
    batches.push_back(b);
    ahead.note_asked(rows, true);
  }
  return batches;
}

TEST(ReadAhead, ALeadIsMadeUpLittleByLittle) {
  ReadAhead ahead(3072);
  std::uint64_t next = 0;
  for (std::uint64_t batch = 0; batch < 40; ++batch) {
    for (const std::uint64_t b : asked(ahead, batch, 256)) {
      EXPECT_EQ(b, next++);
    }
    EXPECT_EQ(next, std::min(2 * (batch + 1), batch + 17)) << "after batch " << batch;
  }
}

TEST(ReadAhead, LargeRowsAreAskedForABatchAhead) {
  ReadAhead ahead(std::size_t{100} << 20);
  EXPECT_EQ(asked(ahead, 0, 8), (std::vector<std::uint64_t>{0, 1}));
  EXPECT_EQ(asked(ahead, 1, 8), (std::vector<std::uint64_t>{2}));
}

TEST(ReadAhead, NothingIsAskedForBehindTheEndOrTwice) {
  ReadAhead ahead(8);
  EXPECT_EQ(asked(ahead, 0, 8, 3), (std::vector<std::uint64_t>{0, 1}));
  EXPECT_EQ(asked(ahead, 0, 8, 3), (std::vector<std::uint64_t>{2}));
  EXPECT_THAT(asked(ahead, 1, 8, 3), IsEmpty());
  EXPECT_THAT(asked(ahead, 2, 8, 3), IsEmpty());
}

TEST(ReadAhead, BatchesThatWereOpenedMeanwhileArePassedOver) {
  ReadAhead ahead(8);
  EXPECT_EQ(asked(ahead, 100, 8), (std::vector<std::uint64_t>{100, 101}));
}

TEST(ReadAhead, AskingEndsWhenStorageIsNotReadAndBeginsWhenItIs) {
  ReadAhead ahead(8);
  ahead.note_asked(31, false);
  EXPECT_TRUE(ahead.is_needed()) << "the first rows tell, but not so few";
  ahead.note_asked(1, false);
  EXPECT_FALSE(ahead.is_needed());
  EXPECT_THAT(asked(ahead, 0, 8), IsEmpty());
  ahead.note_missed();
  EXPECT_EQ(asked(ahead, 1, 8), (std::vector<std::uint64_t>{1, 2}));
  ahead.note_asked(1023, false);
  EXPECT_TRUE(ahead.is_needed());
  ahead.note_asked(1, false);
  EXPECT_FALSE(ahead.is_needed());
}

/// Keeps what it was asked for, and reads from storage as it is told.
class ColdSource final : public CountingSource, public sources::FileBacked {
 public:
  using CountingSource::CountingSource;

  void check_files() const override {}
  void will_need(std::span<const std::uint64_t> samples) const noexcept override {
    const std::scoped_lock lock(mutex_);
    asked_.insert(asked_.end(), samples.begin(), samples.end());
    reads_ += is_cold ? 1 : 0;
  }
  [[nodiscard]] std::uint64_t storage_reads() const noexcept override { return reads_; }

  std::vector<std::uint64_t> take_asked() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(asked_, {});
  }

  std::atomic<bool> is_cold = false;

 private:
  mutable std::mutex mutex_;
  mutable std::vector<std::uint64_t> asked_;
  mutable std::atomic<std::uint64_t> reads_ = 0;
};

class LoaderReadAhead : public LoaderTest {};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderReadAhead, kLoaderDevices);

TEST_P(LoaderReadAhead, EverySampleOfAColdSetIsAskedForOnceInTheOrderOfThePlan) {
  auto source = std::make_shared<ColdSource>(1000);
  source->is_cold = true;
  for (const std::size_t workers : {1, 3}) {
    AsyncDataLoaderConfig settings = config(16);
    settings.workers = workers;
    settings.shuffle = true;
    settings.seed = 5;
    AsyncDataLoader loader(source, settings);
    loader.start();
    std::vector<std::uint64_t> read;
    for (const std::int64_t label : drain(loader)) {
      read.push_back(static_cast<std::uint64_t>(label));
    }
    std::vector<std::uint64_t> asked = source->take_asked();
    if (workers > 1) {  // Two of them may ask at a time.
      std::ranges::sort(read);
      std::ranges::sort(asked);
    }
    EXPECT_EQ(asked, read);
  }
}

TEST_P(LoaderReadAhead, ASetInMemoryIsAskedForNoMoreThanTheFirstRows) {
  auto source = std::make_shared<ColdSource>(4000);
  AsyncDataLoader loader(source, config(16));
  loader.start();
  EXPECT_EQ(drain(loader).size(), 4000U);
  std::vector<std::uint64_t> wanted(32);
  std::iota(wanted.begin(), wanted.end(), 0);
  EXPECT_EQ(source->take_asked(), wanted);
}

TEST_P(LoaderReadAhead, RanksAskForTheirOwnSamplesAlone) {
  auto source = std::make_shared<ColdSource>(100);
  source->is_cold = true;
  AsyncDataLoaderConfig settings = config(10);
  settings.shard = {.rank = 1, .world_size = 2};
  settings.workers = 1;
  AsyncDataLoader loader(source, settings);
  loader.start();
  std::vector<std::uint64_t> read;
  for (const std::int64_t label : drain(loader)) {
    read.push_back(static_cast<std::uint64_t>(label));
  }
  EXPECT_EQ(read.size(), 50U);
  EXPECT_EQ(source->take_asked(), read);
}

}  // namespace
}  // namespace headrace::testing
