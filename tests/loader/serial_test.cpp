// SPDX-License-Identifier: Apache-2.0
// A serial DataSource: one call at a time, in order, whatever the number of workers.
#include "loader_fixture.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

namespace headrace::testing {
namespace {

using ::testing::HasSubstr;

class LoaderSerial : public LoaderTest {
 protected:
  static std::vector<float> first_inputs(AsyncDataLoader& loader) {
    std::vector<float> all;
    while (const std::optional<GPUBatch> batch = loader.get_batch()) {
      const std::vector<float> inputs = batch->input_tensor.to_vector<float>();
      const std::vector<float> labels = batch->label_tensor.to_vector<float>();
      EXPECT_EQ(inputs.size() * 3, labels.size() * 2);
      for (std::size_t row = 0; row < inputs.size() / 2; ++row) {
        EXPECT_EQ(inputs[row * 2 + 1], -inputs[row * 2]);
        EXPECT_EQ(labels.at(row * 3), inputs[row * 2]);
        EXPECT_EQ(labels.at(row * 3 + 2), 9.0F);
        EXPECT_EQ(batch->sample_ids()[row], static_cast<std::uint64_t>(inputs[row * 2]));
        all.push_back(inputs[row * 2]);
      }
    }
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderSerial, kLoaderDevices);

TEST_P(LoaderSerial, CallsNeverOverlapAndOrderIsTheSources) {
  for (const std::size_t workers : {1, 2, 5}) {
    auto source = std::make_shared<CountingSerialSource>(50);
    source->on_get = [](std::size_t) { std::this_thread::yield(); };
    AsyncDataLoaderConfig settings = config(7);
    settings.workers = workers;
    settings.epochs = 3;
    AsyncDataLoader loader(source, settings);
    loader.start();
    const std::vector<float> all = first_inputs(loader);
    ASSERT_EQ(all.size(), 150U);
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i], static_cast<float>(i % 50));
    }
    EXPECT_FALSE(source->overlapped);
    EXPECT_EQ(source->resets.load(), 3);  // Once for every epoch, the first included.
  }
}

TEST_P(LoaderSerial, LabelsKeepTheShapeTheSourceGives) {
  // The Go library forced labels into two classes.
  AsyncDataLoader loader(std::make_shared<CountingSerialSource>(5), config(4));
  loader.start();
  EXPECT_EQ(loader.get_batch()->label_tensor.shape(), Shape({4, 3}));
  EXPECT_EQ(loader.get_batch()->label_tensor.shape(), Shape({1, 3}));
  EXPECT_FALSE(loader.get_batch());
}

TEST_P(LoaderSerial, ShapesMayChangeFromBatchToBatch) {
  class Growing : public DataSource {
   public:
    std::optional<SourceBatch> get_batch(std::size_t n) override {
      ++calls_;
      const std::size_t width = calls_ * 100;
      return SourceBatch{
          std::vector<float>(n * width, static_cast<float>(calls_)), {n, width}, {}, {}};
    }
    [[nodiscard]] std::size_t size() const override { return 12; }
    void reset() override { calls_ = 0; }

   private:
    std::size_t calls_ = 0;
  };
  AsyncDataLoader loader(std::make_shared<Growing>(), config(2));
  loader.start();
  for (std::int64_t call = 1; call <= 6; ++call) {
    const std::optional<GPUBatch> batch = loader.get_batch();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->input_tensor.shape(), Shape({std::int64_t{2}, call * 100}));
    EXPECT_EQ(batch->input_tensor.to_vector<float>(),
              std::vector<float>(static_cast<std::size_t>(call) * 200, static_cast<float>(call)));
    EXPECT_EQ(batch->label_tensor.size_bytes(), 0U);
  }
}

TEST_P(LoaderSerial, TailsAndOutputApply) {
  AsyncDataLoaderConfig settings = config(4);
  settings.tail = Tail::pad_repeat;
  settings.output = {.dtype = DataType::float64, .mean = {1.0}, .stddev = {2.0}};
  AsyncDataLoader loader(std::make_shared<CountingSerialSource>(5), settings);
  loader.start();
  loader.get_batch();
  const std::optional<GPUBatch> last = loader.get_batch();
  EXPECT_EQ(last->valid_count, 1);
  EXPECT_EQ(last->input_tensor.to_vector<double>(),
            (std::vector<double>{1.5, -2.5, 1.5, -2.5, 1.5, -2.5, 1.5, -2.5}));
}

TEST_P(LoaderSerial, WhatASerialSourceCannotServeIsUnsupported) {
  const auto source = std::make_shared<CountingSerialSource>(5);
  const auto refused = [&](auto change) {
    AsyncDataLoaderConfig settings = config(4);
    change(settings);
    return code_of([&] { AsyncDataLoader loader(source, settings); });
  };
  EXPECT_EQ(refused([](auto& c) { c.shuffle = true; }), ErrorCode::unsupported);
  EXPECT_EQ(refused([](auto& c) { c.shard = {0, 2}; }), ErrorCode::unsupported);
  EXPECT_EQ(refused([](auto& c) { c.on_error = OnError::skip; }), ErrorCode::unsupported);
}

TEST_P(LoaderSerial, RestoreResetsAndSkips) {
  AsyncDataLoaderConfig settings = config(4);
  settings.epochs = 2;
  AsyncDataLoader loader(std::make_shared<CountingSerialSource>(10), settings);
  loader.start();
  for (int batch = 0; batch < 5; ++batch) {
    loader.get_batch();
  }
  const LoaderState state = loader.state();
  EXPECT_EQ(state.epoch, 1U);
  EXPECT_EQ(state.place, 8U);
  loader.stop();
  loader.restore(state);
  loader.start();
  EXPECT_EQ(first_inputs(loader), (std::vector<float>{8, 9}));
  loader.start();
  EXPECT_EQ(first_inputs(loader).size(), 20U);
}

TEST_P(LoaderSerial, ASourceThatIsNotAtItsStartIsReset) {
  auto source = std::make_shared<CountingSerialSource>(10);
  source->get_batch(3);
  for (int loaders = 0; loaders < 2; ++loaders) {
    AsyncDataLoader loader(source, config(4));
    loader.start();
    const std::vector<float> all = first_inputs(loader);
    ASSERT_EQ(all.size(), 10U);
    EXPECT_EQ(all.front(), 0.0F);
  }
}

TEST_P(LoaderSerial, StopEndsTheSkippingToAPlace) {
  auto source = std::make_shared<CountingSerialSource>(4000);
  Gate gate;
  std::atomic<int> calls{0};
  source->on_get = [&](std::size_t) {
    ++calls;
    gate.pass();
  };
  AsyncDataLoader loader(source, config(4));
  LoaderState state = loader.state();
  state.place = 3000;
  loader.restore(state);
  loader.start();
  auto waiting = std::async(std::launch::async,
                            [&loader] { return code_of([&loader] { loader.get_batch(); }); });
  gate.wait_for_waiting(1);
  auto stopping = std::async(std::launch::async, [&loader] { loader.stop(); });
  EXPECT_EQ(waiting.get(), ErrorCode::stopped);
  gate.open();
  stopping.get();
  EXPECT_EQ(calls, 1);
  loader.restore(state);
  loader.start();
  EXPECT_EQ(first_inputs(loader).front(), 3000.0F);
}

TEST_P(LoaderSerial, AnErrorComesAtItsBatchAndTheRestFollows) {
  auto source = std::make_shared<CountingSerialSource>(12);
  bool thrown = false;
  source->on_get = [&thrown](std::size_t position) {
    if (position == 4 && !thrown) {
      thrown = true;
      throw std::runtime_error("no route to disk");
    }
  };
  AsyncDataLoaderConfig settings = config(4);
  settings.tail = Tail::drop;
  AsyncDataLoader loader(source, settings);
  loader.start();
  EXPECT_TRUE(loader.get_batch());
  EXPECT_THAT(message_of([&] { loader.get_batch(); }),
              HasSubstr("Batch 1 cannot be read: no route to disk"));
  EXPECT_EQ(loader.get_batch()->input_tensor.to_vector<float>().front(), 8.0F);
  EXPECT_FALSE(loader.get_batch());
}

TEST_P(LoaderSerial, ASourceThatBreaksItsPromiseIsTold) {
  class Short : public CountingSerialSource {
   public:
    Short() : CountingSerialSource(6) {}
    [[nodiscard]] std::size_t size() const override { return 12; }
  };
  AsyncDataLoader loader(std::make_shared<Short>(), config(4));
  loader.start();
  EXPECT_TRUE(loader.get_batch());
  EXPECT_EQ(code_of([&] { loader.get_batch(); }), ErrorCode::corrupt_data);
  EXPECT_THAT(message_of([&] { loader.get_batch(); }), HasSubstr("ended before batch 2"));
}

}  // namespace
}  // namespace headrace::testing
