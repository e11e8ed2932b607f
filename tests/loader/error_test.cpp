// SPDX-License-Identifier: Apache-2.0
// Samples that cannot be read: told in order, at their batch, and never dropped in silence.
#include "loader_fixture.h"
#include "support/npy_writer.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <filesystem>

namespace headrace::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class LoaderErrors : public LoaderTest {};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderErrors, kLoaderDevices);

TEST_P(LoaderErrors, AnErrorComesAtItsBatchAndTheRestFollows) {
  for (const std::size_t workers : {1, 4}) {
    auto source = std::make_shared<CountingSource>(40);
    source->failing = {13, 14, 39};
    AsyncDataLoaderConfig settings = config(4);
    settings.workers = workers;
    AsyncDataLoader loader(source, settings);
    loader.start();
    std::vector<std::string> errors;
    std::vector<std::uint64_t> ids;
    while (!loader.is_finished()) {
      try {
        if (const std::optional<GPUBatch> batch = loader.get_batch()) {
          ids.push_back(batch->batch_id);
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::corrupt_data);
        errors.emplace_back(error.what());
        ids.push_back(1000);
      }
    }
    EXPECT_EQ(ids, (std::vector<std::uint64_t>{0, 1, 2, 1000, 4, 5, 6, 7, 8, 1000}));
    ASSERT_EQ(errors.size(), 2U);
    EXPECT_THAT(errors[0],
                AllOf(HasSubstr("Sample 13 of counting.dat"), HasSubstr("torn at offset 12")));
    EXPECT_THAT(errors[1], HasSubstr("Sample 39"));
    EXPECT_GE(loader.stats().failures, 2U);
    EXPECT_THAT(loader.stats().first_failures.at(0).message, HasSubstr("Sample 13"));
    EXPECT_EQ(loader.state().epoch, 1U);
  }
}

TEST_P(LoaderErrors, AFileShortenedMeanwhileIsAnErrorOfTheNextBatch) {
  using test::write_file;
  const test::TempDir folder;
  const std::vector<float> rows(1000);
  for (const std::string descr : {"<f4", ">f4"}) {
    const std::string path = folder / "rows.npy";
    write_file(path, test::npy_file(test::npy_dictionary(descr, {1000}), test::bytes_of(rows)));
    const auto source = open_source(path);
    std::vector<AsyncDataLoader> loaders;
    for (const auto& data : {source, subset(source, {1, 5, 999})}) {
      AsyncDataLoader& loader = loaders.emplace_back(data, config(2));
      loader.start();
      EXPECT_EQ(loader.get_batch()->valid_count, 2);
      loader.stop();
    }
    std::filesystem::resize_file(path, 64);
    const auto is_told = AllOf(HasSubstr(path), HasSubstr("was shortened"));
    for (AsyncDataLoader& loader : loaders) {
      loader.start();
      EXPECT_THAT(message_of([&] { loader.get_batch(); }), is_told);
    }
    EXPECT_THAT(message_of([&] { AsyncDataLoader(source, config(2)); }), is_told);
  }
}

TEST_P(LoaderErrors, ForeignExceptionsKeepTheirTextAndAreNested) {
  struct Torn : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  auto source = std::make_shared<CountingSource>(4);
  source->on_read = [](const ReadContext&) { throw Torn("cable unplugged"); };
  AsyncDataLoader loader(source, config(4));
  loader.start();
  try {
    loader.get_batch();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
    EXPECT_THAT(error.what(), HasSubstr("cable unplugged"));
    EXPECT_THROW(std::rethrow_if_nested(error), Torn);
  }
}

TEST_P(LoaderErrors, SkippingClosesTheGapAndCounts) {
  for (const std::size_t workers : {1, 4}) {
    auto source = std::make_shared<CountingSource>(20);
    source->failing = {0, 5, 6, 19};
    AsyncDataLoaderConfig settings = config(5);
    settings.on_error = OnError::skip;
    settings.workers = workers;
    AsyncDataLoader loader(source, settings);
    loader.start();
    std::vector<std::int64_t> all;
    std::vector<std::int64_t> valid;
    while (const std::optional<GPUBatch> batch = loader.get_batch()) {
      const auto labels = checked_labels(*batch);
      ASSERT_EQ(labels.size(), batch->sample_ids().size());
      for (std::size_t row = 0; row < labels.size(); ++row) {
        EXPECT_EQ(labels[row], static_cast<std::int64_t>(batch->sample_ids()[row]));
      }
      all.insert(all.end(), labels.begin(), labels.end());
      valid.push_back(batch->valid_count);
    }
    EXPECT_EQ(valid, (std::vector<std::int64_t>{4, 3, 5, 4}));
    EXPECT_EQ(all,
              (std::vector<std::int64_t>{1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}));
    EXPECT_EQ(loader.stats().failures, 4U);
    EXPECT_EQ(loader.stats().first_failures.size(), 4U);
  }
}

TEST_P(LoaderErrors, SkippingKeepsFullTensorsWhenTheTailPads) {
  auto source = std::make_shared<CountingSource>(8);
  source->failing = {1, 2};
  AsyncDataLoaderConfig settings = config(4);
  settings.on_error = OnError::skip;
  settings.tail = Tail::pad_repeat;
  AsyncDataLoader repeat(source, settings);
  repeat.start();
  const std::optional<GPUBatch> repeated = repeat.get_batch();
  EXPECT_EQ(repeated->valid_count, 2);
  EXPECT_EQ(checked_labels(*repeated), (std::vector<std::int64_t>{0, 3, 0, 3}));
  settings.tail = Tail::pad_zero;
  AsyncDataLoader zero(source, settings);
  zero.start();
  const std::optional<GPUBatch> zeroed = zero.get_batch();
  EXPECT_EQ(zeroed->label_tensor.to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{0, 3, 0, 0}));
}

TEST_P(LoaderErrors, MaxFailuresIsRaisedInOrder) {
  auto source = std::make_shared<CountingSource>(40);
  source->failing = {3, 11, 22};
  AsyncDataLoaderConfig settings = config(4);
  settings.on_error = OnError::skip;
  settings.max_failures = 2;
  settings.workers = 3;
  AsyncDataLoader loader(source, settings);
  loader.start();
  for (int batch = 0; batch < 5; ++batch) {
    ASSERT_TRUE(loader.get_batch());
  }
  EXPECT_THAT(
      message_of([&] { loader.get_batch(); }),
      AllOf(HasSubstr("3 samples could not be read; max_failures is 2"), HasSubstr("Sample 22")));
  EXPECT_EQ(drain(loader).size(), 16U);
}

TEST_P(LoaderErrors, ALostDeviceIsToldAndEndsInPeace) {
  if (!mock_) {
    GTEST_SKIP() << "the host is never lost";
  }
  AsyncDataLoaderConfig settings = config(4);
  settings.epochs = 0;
  AsyncDataLoader loader(std::make_shared<CountingSource>(40), settings);
  loader.start();
  std::optional<GPUBatch> held = loader.get_batch();
  mock_->lose();
  EXPECT_EQ(code_of([&] {
              while (true) {
                loader.get_batch();
              }
            }),
            ErrorCode::device_lost);
  held.reset();
  loader.stop();
}

}  // namespace
}  // namespace headrace::testing
