// SPDX-License-Identifier: Apache-2.0
// What a loader delivers: everything, once, in an order of its own, on every kind of device.
#include "loader_fixture.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <thread>

namespace headrace::testing {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

std::vector<std::int64_t> numbers(std::int64_t count) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

class LoaderEngine : public LoaderTest {};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderEngine, kLoaderDevices);

TEST_P(LoaderEngine, DeliversEverySampleOnceInOrder) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(101), config(8));
  loader.start();
  EXPECT_THAT(drain(loader), ElementsAreArray(numbers(101)));
  EXPECT_TRUE(loader.is_finished());
  EXPECT_FALSE(loader.get_batch());
  EXPECT_FALSE(loader.try_get_batch());
}

TEST_P(LoaderEngine, TheEndOfTheLastEpochIsTold) {
  // The Go library had no end of epoch: it went on for ever.
  AsyncDataLoaderConfig settings = config(8);
  settings.epochs = 2;
  AsyncDataLoader loader(std::make_shared<CountingSource>(20), settings);
  loader.start();
  std::vector<std::uint64_t> epochs;
  while (!loader.is_finished()) {
    epochs.push_back(loader.get_batch()->epoch);
  }
  EXPECT_EQ(epochs, (std::vector<std::uint64_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_FALSE(loader.get_batch());
  EXPECT_FALSE(loader.try_get_batch());
  EXPECT_FALSE(loader.stats().is_running);
}

TEST_P(LoaderEngine, WeightsAreTheConfigsAndNotOfMadeUpShapes) {
  AsyncDataLoaderConfig settings = config(4);
  Tensor matrix(manager_, {3, 5}, DataType::float16);
  Tensor vector(manager_, {7}, DataType::int8);
  vector.copy_from(std::vector<std::int8_t>{1, 2, 3, 4, 5, 6, 7});
  settings.weights = {matrix, vector};
  AsyncDataLoader loader(std::make_shared<CountingSource>(8), settings);
  loader.start();
  while (const std::optional<GPUBatch> batch = loader.get_batch()) {
    const std::vector<Tensor> weights = batch->weight_tensors;
    ASSERT_EQ(weights.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(weights[i].shape(), settings.weights[i].shape());
      EXPECT_EQ(weights[i].dtype(), settings.weights[i].dtype());
      EXPECT_EQ(weights[i].native_handle(), settings.weights[i].native_handle());
    }
    EXPECT_EQ(weights[1].to_vector<std::int8_t>().back(), 7);
  }
}

TEST_P(LoaderEngine, OrderDoesNotDependOnWorkersOrPrefetch) {
  std::map<std::uint64_t, std::vector<std::int64_t>> by_seed;
  for (const std::uint64_t seed : {7, 8}) {
    for (const std::size_t workers : {1, 2, 5}) {
      for (const std::size_t prefetch : {1, 3, 7}) {
        AsyncDataLoaderConfig settings = config(16);
        settings.workers = workers;
        settings.prefetch_depth = prefetch;
        settings.shuffle = true;
        settings.seed = seed;
        settings.epochs = 2;
        AsyncDataLoader loader(std::make_shared<CountingSource>(75), settings);
        loader.start();
        const std::vector<std::int64_t> order = drain(loader);
        const auto [known, is_new] = by_seed.emplace(seed, order);
        EXPECT_EQ(known->second, order) << workers << " workers, prefetch " << prefetch;
      }
    }
  }
  EXPECT_NE(by_seed[7], by_seed[8]);
  std::vector<std::int64_t> first(by_seed[7].begin(), by_seed[7].begin() + 75);
  std::vector<std::int64_t> second(by_seed[7].begin() + 75, by_seed[7].end());
  EXPECT_NE(first, second);
  std::ranges::sort(first);
  std::ranges::sort(second);
  EXPECT_EQ(first, numbers(75));
  EXPECT_EQ(second, numbers(75));
}

TEST_P(LoaderEngine, BatchesSayWhatTheyHold) {
  AsyncDataLoaderConfig settings = config(4);
  settings.epochs = 2;
  settings.weights = {Tensor(manager_, {2, 2}, DataType::float32)};
  AsyncDataLoader loader(std::make_shared<CountingSource>(10), settings);
  loader.start();
  std::uint64_t id = 0;
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
    for (const std::int64_t rows : {4, 4, 2}) {
      const std::optional<GPUBatch> batch = loader.get_batch();
      ASSERT_TRUE(batch);
      EXPECT_EQ(batch->batch_id, id++);
      EXPECT_EQ(batch->epoch, epoch);
      EXPECT_EQ(batch->generation, 1U);
      EXPECT_EQ(batch->valid_count, rows);
      EXPECT_EQ(batch->input_tensor.shape(), Shape({rows, 3}));
      EXPECT_EQ(batch->input_tensor.dtype(), DataType::int32);
      EXPECT_EQ(batch->input_tensor.device_type(), DeviceType::gpu);
      EXPECT_EQ(batch->label_tensor.shape(), Shape({rows}));
      EXPECT_EQ(batch->tensor("key").shape(), Shape({rows}));
      EXPECT_THAT(message_of([&] { static_cast<void>(batch->tensor("depth")); }),
                  HasSubstr("no field 'depth'; its fields are [key]"));
      ASSERT_EQ(batch->weight_tensors.size(), 1U);
      const std::vector<std::uint64_t> ids = batch->sample_ids();
      EXPECT_EQ(ids.size(), static_cast<std::size_t>(rows));
      EXPECT_EQ(batch->weight_tensors[0].native_handle(), settings.weights[0].native_handle());
      const std::vector<std::int64_t> labels = checked_labels(*batch);
      EXPECT_TRUE(std::ranges::equal(
          batch->sample_ids(), labels, [](auto a, auto b) { return std::cmp_equal(a, b); }));
    }
  }
  EXPECT_FALSE(loader.get_batch());
}

TEST_P(LoaderEngine, RandomKeysAreOfSeedEpochAndSampleAlone) {
  std::map<std::pair<std::uint64_t, std::int64_t>, std::uint64_t> keys;
  for (const std::size_t workers : {1, 3}) {
    AsyncDataLoaderConfig settings = config(workers * 3);
    settings.workers = workers;
    settings.epochs = 2;
    settings.seed = 5;
    settings.shuffle = workers == 3;
    AsyncDataLoader loader(std::make_shared<CountingSource>(20), settings);
    for (const GPUBatch& batch : loader) {
      const auto found = batch.tensor("key").to_vector<std::uint64_t>();
      const auto labels = checked_labels(batch);
      for (std::size_t row = 0; row < labels.size(); ++row) {
        const auto [known, is_new] = keys.emplace(std::pair(batch.epoch, labels[row]), found[row]);
        EXPECT_EQ(known->second, found[row]);
      }
    }
  }
  std::set<std::uint64_t> different;
  for (const auto& [where, key] : keys) {
    different.insert(key);
  }
  EXPECT_EQ(different.size(), 40U);
}

TEST_P(LoaderEngine, TailsAreAsAsked) {
  struct Case {
    Tail tail;
    std::vector<std::int64_t> last;
    std::int64_t valid;
    std::size_t batches;
  };
  const std::vector<Case> cases = {{Tail::short_batch, {8, 9}, 2, 3},
                                   {Tail::drop, {4, 5, 6, 7}, 4, 2},
                                   {Tail::pad_repeat, {8, 9, 8, 9}, 2, 3},
                                   {Tail::pad_zero, {8, 9, 0, 0}, 2, 3}};
  for (const Case& expected : cases) {
    AsyncDataLoaderConfig settings = config(4);
    settings.tail = expected.tail;
    AsyncDataLoader loader(std::make_shared<CountingSource>(10), settings);
    loader.start();
    std::vector<std::int64_t> last;
    std::int64_t valid = 0;
    std::size_t batches = 0;
    while (const std::optional<GPUBatch> batch = loader.get_batch()) {
      last = batch->label_tensor.to_vector<std::int64_t>();
      valid = batch->valid_count;
      EXPECT_EQ(batch->sample_ids().size(), static_cast<std::size_t>(valid));
      ++batches;
    }
    EXPECT_EQ(last, expected.last);
    EXPECT_EQ(valid, expected.valid);
    EXPECT_EQ(batches, expected.batches);
  }
}

TEST_P(LoaderEngine, RanksShareAnEpochWithoutOverlap) {
  std::vector<std::int64_t> all;
  for (std::uint64_t rank = 0; rank < 4; ++rank) {
    AsyncDataLoaderConfig settings = config(5);
    settings.shard = {rank, 4};
    settings.shuffle = true;
    settings.seed = 3;
    AsyncDataLoader loader(std::make_shared<CountingSource>(42), settings);
    loader.start();
    std::size_t batches = 0;
    while (const std::optional<GPUBatch> batch = loader.get_batch()) {
      const auto labels = checked_labels(*batch);
      all.insert(all.end(), labels.begin(), labels.end());
      ++batches;
    }
    EXPECT_EQ(batches, 3U);
  }
  std::ranges::sort(all);
  EXPECT_EQ(all, numbers(42));
}

TEST_P(LoaderEngine, ARankLeftWithNoneGetsAnEmptyBatch) {
  AsyncDataLoaderConfig settings = config(5);
  settings.shard = {3, 4};
  AsyncDataLoader loader(std::make_shared<CountingSource>(22), settings);
  loader.start();
  ASSERT_EQ(loader.get_batch()->valid_count, 5);
  const std::optional<GPUBatch> empty = loader.get_batch();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->valid_count, 0);
  EXPECT_EQ(empty->input_tensor.shape(), Shape({0, 3}));
  EXPECT_TRUE(empty->label_tensor.to_vector<std::int64_t>().empty());
  EXPECT_FALSE(loader.get_batch());
}

TEST_P(LoaderEngine, InputsAreExpandedOnTheDevice) {
  const std::vector<std::uint8_t> pixels = {
      0, 255, 10, 20, 30, 40, 1, 2, 3, 4, 5, 6};  // 2 x 1 x 2 x 3
  const SampleSpec spec{.input_shape = {1, 2, 3},
                        .input_dtype = DataType::uint8,
                        .label_shape = Shape{0},
                        .label_dtype = DataType::uint8,
                        .fields = {}};
  AsyncDataLoaderConfig settings = config(2);
  settings.output = {.dtype = DataType::float32,
                     .layout = Layout::chw,
                     .mean = {0.5, 0.25, 0.125},
                     .stddev = {0.5, 0.25, 1.0}};
  AsyncDataLoader loader(open_memory(std::as_bytes(std::span(pixels)), {}, spec), settings);
  loader.start();
  const std::optional<GPUBatch> batch = loader.get_batch();
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->input_tensor.shape(), Shape({2, 3, 1, 2}));
  const std::vector<float> values = batch->input_tensor.to_vector<float>();
  const auto a = [](double stddev) { return static_cast<float>(1.0 / (255.0 * stddev)); };
  const std::vector<float> expected = {0.0F * a(0.5) - 1.0F,
                                       20.0F * a(0.5) - 1.0F,
                                       255.0F * a(0.25) - 1.0F,
                                       30.0F * a(0.25) - 1.0F,
                                       10.0F * a(1) - 0.125F,
                                       40.0F * a(1) - 0.125F,
                                       1.0F * a(0.5) - 1.0F,
                                       4.0F * a(0.5) - 1.0F,
                                       2.0F * a(0.25) - 1.0F,
                                       5.0F * a(0.25) - 1.0F,
                                       3.0F * a(1) - 0.125F,
                                       6.0F * a(1) - 0.125F};
  EXPECT_EQ(values, expected);
  EXPECT_EQ(batch->label_tensor.size_bytes(), 0U);
}

TEST_P(LoaderEngine, TypesStayUnlessOutputSaysOtherwise) {
  AsyncDataLoaderConfig settings = config(4);
  settings.output.dtype = DataType::float16;
  AsyncDataLoader loader(std::make_shared<CountingSource>(4), settings);
  loader.start();
  const std::optional<GPUBatch> batch = loader.get_batch();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->input_tensor.dtype(), DataType::float16);
  EXPECT_EQ(float(batch->input_tensor.to_vector<float16>().at(11)), 5.0F);
  EXPECT_EQ(batch->label_tensor.dtype(), DataType::int64);
}

TEST_P(LoaderEngine, ASlowSampleHoldsUpNoOther) {
  constexpr std::size_t kAhead = 24;  // three batches of eight
  auto source = std::make_shared<CountingSource>(32);
  Gate slow;
  std::atomic<std::size_t> read = 0;
  source->on_read = [&](const ReadContext& context) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (context.index == 13) {
      slow.pass();
    }
    ++read;
  };
  AsyncDataLoader loader(source, config(8));
  loader.start();
  slow.wait_for_waiting(1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (read < kAhead - 1 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(read, kAhead - 1) << "samples wait behind one that another worker could read";
  slow.open();
  EXPECT_THAT(drain(loader), ElementsAreArray(numbers(32)));
}

TEST_P(LoaderEngine, HowLongRowsTookBeforeAStartIsForgotten) {
  auto source = std::make_shared<CountingSource>(64);
  Gate slow;
  std::atomic<bool> is_slow = false;
  std::atomic<std::size_t> read = 0;
  source->on_read = [&](const ReadContext& context) {
    if (is_slow && context.index == 0) {
      slow.pass();
    }
    ++read;
  };
  AsyncDataLoaderConfig settings = config(64);
  settings.workers = 2;
  settings.epochs = 50;  // By their end workers take many rows at a time.
  settings.prefetch_depth = 1;
  AsyncDataLoader loader(source, settings);
  loader.start();
  EXPECT_EQ(drain(loader).size(), 50U * 64);
  is_slow = true;
  read = 0;
  loader.start();
  slow.wait_for_waiting(1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (read < 63 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(read, 63U) << "samples wait behind one that another worker could read";
  slow.open();
  EXPECT_EQ(drain(loader).size(), 50U * 64);
}

TEST_P(LoaderEngine, UnorderedDeliversEverySampleOnce) {
  auto source = std::make_shared<CountingSource>(60);
  Gate first;
  source->on_read = [&first](const ReadContext& context) {
    if (context.index == 0) {
      first.pass();
    }
  };
  AsyncDataLoaderConfig settings = config(6);
  settings.ordered = false;
  settings.workers = 2;
  AsyncDataLoader loader(source, settings);
  loader.start();
  const std::optional<GPUBatch> early = loader.get_batch();
  ASSERT_TRUE(early);
  EXPECT_NE(early->batch_id, 0U);
  const LoaderState state = early->state();
  EXPECT_EQ(state.place, 0U);
  ASSERT_EQ(state.early.size(), 1U);
  EXPECT_EQ(state.early[0].end - state.early[0].begin, 6U);
  first.open();
  std::vector<std::int64_t> all = drain(loader);
  const auto labels = checked_labels(*early);
  all.insert(all.end(), labels.begin(), labels.end());
  std::ranges::sort(all);
  EXPECT_EQ(all, numbers(60));
}

TEST_P(LoaderEngine, StateResumesWithOtherSizesAndMissesNothing) {
  AsyncDataLoaderConfig settings = config(4);
  settings.shuffle = true;
  settings.seed = 9;
  settings.epochs = 3;
  AsyncDataLoader whole(std::make_shared<CountingSource>(30), settings);
  whole.start();
  const std::vector<std::int64_t> expected = drain(whole);
  for (std::size_t taken = 0; taken <= 23; taken += 5) {
    AsyncDataLoader first(std::make_shared<CountingSource>(30), settings);
    first.start();
    std::vector<std::int64_t> order;
    for (std::size_t batch = 0; batch < taken; ++batch) {
      const std::optional<GPUBatch> got = first.get_batch();
      const auto labels = checked_labels(*got);
      order.insert(order.end(), labels.begin(), labels.end());
    }
    const LoaderState state = LoaderState::from_json(first.state().to_json());
    first.stop();
    AsyncDataLoaderConfig other = settings;
    other.batch_size = 7;
    other.workers = 3;
    AsyncDataLoader second(std::make_shared<CountingSource>(30), other);
    second.restore(state);
    second.start();
    const std::vector<std::int64_t> rest = drain(second);
    order.insert(order.end(), rest.begin(), rest.end());
    EXPECT_EQ(order, expected) << "after " << taken << " batches";
  }
}

TEST_P(LoaderEngine, RestoreRefusesAnotherOrder) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(30), config(4));
  LoaderState state = loader.state();
  EXPECT_EQ(state.dataset_size, 30U);
  state.seed = 1;
  EXPECT_THAT(message_of([&] { loader.restore(state); }), HasSubstr("seed 1, not 0"));
  state.seed = 0;
  state.dataset_size = 31;
  EXPECT_EQ(code_of([&] { loader.restore(state); }), ErrorCode::invalid_argument);
  loader.start();
  state.dataset_size = 30;
  EXPECT_EQ(code_of([&] { loader.restore(state); }), ErrorCode::invalid_argument);
  EXPECT_THAT(drain(loader), ElementsAreArray(numbers(30)));
}

// A source of another fingerprint, or of an unknown one when it is 0.
class PrintedSource final : public CountingSource {
 public:
  explicit PrintedSource(std::uint64_t fingerprint)
      : CountingSource(30), fingerprint_(fingerprint) {}
  [[nodiscard]] std::uint64_t fingerprint() const override { return fingerprint_; }

 private:
  std::uint64_t fingerprint_;
};

TEST_P(LoaderEngine, RestoreRefusesAChangedDataSet) {
  const auto loader_of = [this](std::uint64_t fingerprint) {
    return AsyncDataLoader(std::make_shared<PrintedSource>(fingerprint), config(4));
  };
  AsyncDataLoader first = loader_of(0xabc);
  first.start();
  first.get_batch();
  const LoaderState state = first.state();
  EXPECT_EQ(state.fingerprint, 0xabcU);
  AsyncDataLoader changed = loader_of(0xdef);
  const auto restore = [&] { changed.restore(state); };
  EXPECT_EQ(code_of(restore), ErrorCode::invalid_argument);
  EXPECT_THAT(message_of(restore),
              ::testing::AllOf(HasSubstr("fingerprint of the data set 0000000000000abc"),
                               HasSubstr("not 0000000000000def"),
                               ::testing::Not(HasSubstr("seed")),
                               ::testing::Not(HasSubstr("size"))));
  changed.start();
  EXPECT_THAT(drain(changed), ElementsAreArray(numbers(30)));
}

// A state from before there were fingerprints, or of a source that knows none.
TEST_P(LoaderEngine, UnknownFingerprintsAreNotChecked) {
  const auto rest = [this](std::uint64_t of_source, std::uint64_t of_state) {
    AsyncDataLoader loader(std::make_shared<PrintedSource>(of_source), config(4));
    LoaderState state = loader.state();
    state.fingerprint = of_state;
    state.place = 28;
    loader.restore(state);
    EXPECT_EQ(loader.state().fingerprint, of_source);
    loader.start();
    return drain(loader);
  };
  EXPECT_THAT(rest(0xabc, 0), ::testing::ElementsAre(28, 29));
  EXPECT_THAT(rest(0, 0xabc), ::testing::ElementsAre(28, 29));
}

TEST_P(LoaderEngine, SeveralConsumersShareOneSequence) {
  AsyncDataLoaderConfig settings = config(3);
  settings.epochs = 4;
  AsyncDataLoader loader(std::make_shared<CountingSource>(100), settings);
  loader.start();
  std::vector<std::vector<std::int64_t>> taken(3);
  std::vector<std::thread> consumers;
  for (std::vector<std::int64_t>& mine : taken) {
    consumers.emplace_back([&loader, &mine] { mine = drain(loader); });
  }
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < 3; ++i) {
    consumers[i].join();
    all.insert(all.end(), taken[i].begin(), taken[i].end());
  }
  std::ranges::sort(all);
  ASSERT_EQ(all.size(), 400U);
  for (std::size_t i = 0; i < 400; ++i) {
    EXPECT_EQ(all[i], static_cast<std::int64_t>(i / 4));
  }
}

TEST_P(LoaderEngine, ATraceShowsStagesAndTheDevicesWork) {
  AsyncDataLoaderConfig settings = config(4);
  settings.output.dtype = DataType::float32;
  settings.trace = std::make_shared<Trace>();
  AsyncDataLoader loader(std::make_shared<CountingSource>(4), settings);
  loader.start();
  EXPECT_EQ(loader.get_batch()->input_tensor.to_vector<float>().back(), 5.0F);
  loader.stop();
  const test::TempDir folder;
  settings.trace->write(folder / "trace.json");
  std::ifstream file(folder / "trace.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_THAT(text, HasSubstr(R"("name":"read")"));
  EXPECT_THAT(text, HasSubstr(R"("name":"expand batch")"));
  EXPECT_THAT(text, HasSubstr(device_.info().spec + " stream "));
  const auto copies =
      GetParam() == "mock";  // Where the host sees the device's memory none is made.
  EXPECT_EQ(text.find(R"("name":"copy batch")") != std::string::npos, copies);
}

TEST_P(LoaderEngine, StatsCountWhatHappened) {
  AsyncDataLoaderConfig settings = config(10);
  settings.prefetch_depth = 2;
  settings.workers = 3;
  AsyncDataLoader loader(std::make_shared<CountingSource>(95), settings);
  EXPECT_FALSE(loader.stats().is_running);
  loader.start();
  EXPECT_TRUE(loader.stats().is_running);
  drain(loader);
  const AsyncDataLoaderStats stats = loader.stats();
  EXPECT_FALSE(stats.is_running);
  EXPECT_EQ(stats.batches_produced, 10U);
  EXPECT_EQ(stats.batches_delivered, 10U);
  EXPECT_EQ(stats.samples_delivered, 95U);
  EXPECT_EQ(stats.bytes_to_device, 95U * (12 + 8 + 8));
  EXPECT_EQ(stats.queue_capacity, 2U);
  EXPECT_EQ(stats.queued_batches, 0U);
  EXPECT_EQ(stats.workers, 3U);
  EXPECT_EQ(stats.generation, 1U);
  EXPECT_EQ(stats.pinned_bytes != 0, GetParam() == "mock");
  EXPECT_GE(stats.read.count, 10U);
}

TEST_P(LoaderEngine, SteadyStateTakesNoNewDeviceMemory) {
  AsyncDataLoaderConfig settings = config(8);
  settings.epochs = 20;
  AsyncDataLoader loader(std::make_shared<CountingSource>(64), settings);
  loader.start();
  for (int batch = 0; batch < 16; ++batch) {
    loader.get_batch();
  }
  const std::uint64_t misses = manager_.stats().misses;
  drain(loader);
  // to_vector takes host memory on devices the host cannot see; it is cached after the first.
  EXPECT_LE(manager_.stats().misses, misses + 2);
  EXPECT_EQ(loader.stats().slots_replaced, 0U);
}

TEST_P(LoaderEngine, ABatchLargerThanTheDataSetTakesMemoryForTheDataSet) {
  AsyncDataLoaderConfig settings = config(std::size_t{1} << 32);
  settings.epochs = 2;
  AsyncDataLoader loader(std::make_shared<CountingSource>(10), settings);
  loader.start();
  EXPECT_EQ(drain(loader).size(), 20U);
  EXPECT_LE(loader.stats().peak_device_bytes, 16384U);
  AsyncDataLoader serial(std::make_shared<CountingSerialSource>(10), settings);
  serial.start();
  EXPECT_EQ(serial.get_batch()->valid_count, 10);
  EXPECT_EQ(serial.get_batch()->valid_count, 10);
  EXPECT_LE(serial.stats().peak_device_bytes, 16384U);
}

TEST_P(LoaderEngine, ABatchLargerThanTheDataSetIsPaddedToItsSize) {
  AsyncDataLoaderConfig settings = config(12);
  settings.tail = Tail::pad_zero;
  AsyncDataLoader loader(std::make_shared<CountingSource>(10), settings);
  loader.start();
  const std::optional<GPUBatch> batch = loader.get_batch();
  EXPECT_EQ(batch->valid_count, 10);
  EXPECT_EQ(batch->label_tensor.to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0}));
}

TEST_P(LoaderEngine, EmptySourceFinishesAtOnce) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(0), config(8));
  loader.start();
  EXPECT_FALSE(loader.get_batch());
  EXPECT_TRUE(loader.is_finished());
}

TEST_P(LoaderEngine, BadSettingsAreRefused) {
  const auto source = std::make_shared<CountingSource>(8);
  const auto refused = [&](auto change) {
    AsyncDataLoaderConfig settings = config(4);
    change(settings);
    return message_of([&] { AsyncDataLoader loader(source, settings); });
  };
  EXPECT_THAT(refused([](auto& c) { c.batch_size = 0; }), HasSubstr("batch_size is 0"));
  EXPECT_THAT(refused([](auto& c) { c.shard = {2, 2}; }), HasSubstr("shard.rank is 2"));
  EXPECT_THAT(refused([](auto& c) { c.output.mean = {1, 2}; }), HasSubstr("mean has 2 values"));
  EXPECT_THAT(refused([](auto& c) { c.output.layout = Layout::chw; }), HasSubstr("Layout chw"));
  EXPECT_THAT(
      message_of([&] { AsyncDataLoader loader(std::shared_ptr<SampleSource>(), config(4)); }),
      HasSubstr("no source"));
}

}  // namespace
}  // namespace headrace::testing
