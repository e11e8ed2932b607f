// SPDX-License-Identifier: Apache-2.0
// Start, stop, restart, held batches: what a loader's life may look like.
#include "headrace/command_buffer.h"

#include "loader_fixture.h"

#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <thread>

namespace headrace::testing {
namespace {

using ::testing::HasSubstr;

class LoaderLife : public LoaderTest {};
INSTANTIATE_TEST_SUITE_P(Devices, LoaderLife, kLoaderDevices);

TEST_P(LoaderLife, StartWhileRunningIsRefused) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(20), config(4));
  loader.start();
  EXPECT_THAT(message_of([&] { loader.start(); }), HasSubstr("while the loader is running"));
  EXPECT_EQ(drain(loader).size(), 20U);
}

TEST_P(LoaderLife, BeforeStartAndAfterStopCallersAreTold) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(20), config(4));
  EXPECT_EQ(code_of([&] { loader.get_batch(); }), ErrorCode::stopped);
  EXPECT_EQ(code_of([&] { loader.try_get_batch(); }), ErrorCode::stopped);
  EXPECT_FALSE(loader.is_finished());
  loader.start();
  loader.stop();
  EXPECT_EQ(code_of([&] { loader.get_batch(); }), ErrorCode::stopped);
  EXPECT_EQ(code_of([&] { loader.try_get_batch(); }), ErrorCode::stopped);
  loader.stop();
}

TEST_P(LoaderLife, RestartAfterStopBeginsAgainInANewGeneration) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(40), config(4));
  for (std::uint64_t generation = 1; generation <= 4; ++generation) {
    loader.start();
    const std::optional<GPUBatch> batch = loader.get_batch();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->generation, generation);
    EXPECT_EQ(loader.stats().generation, generation);
    EXPECT_EQ(checked_labels(*batch).front(), 0);
    if (generation == 4) {
      EXPECT_EQ(drain(loader).size(), 36U);
    }
    loader.stop();
  }
  EXPECT_TRUE(loader.is_finished());
  EXPECT_FALSE(loader.get_batch());
}

TEST_P(LoaderLife, RestartAfterTheEndNeedsNoStop) {
  AsyncDataLoader loader(std::make_shared<CountingSource>(12), config(4));
  loader.start();
  EXPECT_EQ(drain(loader).size(), 12U);
  loader.start();
  EXPECT_FALSE(loader.is_finished());
  EXPECT_EQ(drain(loader).size(), 12U);
  std::size_t samples = 0;
  for (GPUBatch& batch : loader) {
    samples += static_cast<std::size_t>(batch.valid_count);
  }
  EXPECT_EQ(samples, 12U);
  EXPECT_EQ(loader.stats().generation, 3U);
}

TEST_P(LoaderLife, StopWakesAWaitingConsumer) {
  auto source = std::make_shared<CountingSource>(40);
  Gate gate;
  source->on_read = [&gate](const ReadContext&) { gate.pass(); };
  AsyncDataLoader loader(source, config(4));
  loader.start();
  auto waiting = std::async(std::launch::async,
                            [&loader] { return code_of([&loader] { loader.get_batch(); }); });
  gate.wait_for_waiting(1);
  auto stopping = std::async(std::launch::async, [&loader] { loader.stop(); });
  EXPECT_EQ(waiting.get(), ErrorCode::stopped);
  gate.open();
  stopping.get();
}

TEST_P(LoaderLife, StopWaitsForNoMoreThanTheReadsInFlight) {
  auto source = std::make_shared<CountingSource>(4000);
  Gate gate;
  std::atomic<int> calls{0};
  source->on_read = [&](const ReadContext& context) {
    ++calls;
    if (context.index >= 200) {  // By then workers take many rows at a time.
      gate.pass();
    }
  };
  AsyncDataLoaderConfig settings = config(512);
  settings.workers = 2;
  AsyncDataLoader loader(source, settings);
  loader.start();
  auto waiting = std::async(std::launch::async,
                            [&loader] { return code_of([&loader] { loader.get_batch(); }); });
  gate.wait_for_waiting(2);
  const int calls_before = calls;
  auto stopping = std::async(std::launch::async, [&loader] { loader.stop(); });
  EXPECT_EQ(waiting.get(), ErrorCode::stopped);
  gate.open();
  stopping.get();
  EXPECT_EQ(calls, calls_before);
  EXPECT_EQ(loader.stats().batches_produced, 0U);
  loader.start();
  EXPECT_EQ(drain(loader).size(), 4000U);
}

TEST_P(LoaderLife, StopWhileEverythingIsFullOrEmpty) {
  auto source = std::make_shared<CountingSource>(400);
  AsyncDataLoader full(source, config(4));
  full.start();
  while (full.stats().queued_batches < full.stats().queue_capacity) {
    std::this_thread::yield();
  }
  full.stop();
  EXPECT_EQ(full.stats().queued_batches, 0U);
  AsyncDataLoader empty(source, config(4));
  empty.start();
  empty.stop();
  empty.start();
  EXPECT_EQ(drain(empty).size(), 400U);
}

TEST_P(LoaderLife, StopFromTheSourceItself) {
  auto source = std::make_shared<CountingSource>(400);
  AsyncDataLoader* loader_inside = nullptr;
  std::atomic<bool> stopped = false;
  source->on_read = [&](const ReadContext& context) {
    if (context.index == 37 && !stopped.exchange(true)) {
      loader_inside->stop();
    }
  };
  AsyncDataLoader loader(source, config(4));
  loader_inside = &loader;
  loader.start();
  EXPECT_EQ(code_of([&loader] { drain(loader); }), ErrorCode::stopped);
  loader.start();
  EXPECT_EQ(drain(loader).size(), 400U);
}

TEST_P(LoaderLife, TheSourceItselfMayDestroyTheLoader) {
  for (const std::size_t workers : {1, 3, 64}) {
    auto source = std::make_shared<CountingSource>(400);
    std::unique_ptr<AsyncDataLoader> loader;
    std::atomic<bool> destroyed = false;
    const bool while_starting = workers == 64;
    Gate begin;
    source->on_read = [&](const ReadContext& context) {
      if (context.index == 9) {
        if (!while_starting) {
          begin.pass();
        }
        loader.reset();
        EXPECT_GT(source.use_count(), 1) << "it went while its source was being read";
        destroyed = true;
      }
    };
    AsyncDataLoaderConfig settings = config(4);
    settings.workers = workers;
    loader = std::make_unique<AsyncDataLoader>(source, settings);
    loader->start();
    begin.open();
    while (!destroyed || source.use_count() > 1) {  // Its workers end, and what they held goes.
      std::this_thread::yield();
    }
    EXPECT_EQ(loader, nullptr);
  }
}

TEST_P(LoaderLife, NoBatchIsDroppedWhenTheConsumerIsSlow) {
  // The Go library dropped a batch when its queue stayed full for a second.
  auto source = std::make_shared<CountingSource>(200);
  AsyncDataLoaderConfig settings = config(5);
  settings.prefetch_depth = 2;
  AsyncDataLoader loader(source, settings);
  loader.start();
  std::int64_t expected = 0;
  while (const std::optional<GPUBatch> batch = loader.get_batch()) {
    // The queue is full, and the workers have nothing to do, before the next batch is taken.
    while (loader.stats().queued_batches < 2 && loader.stats().batches_produced < 40) {
      std::this_thread::yield();
    }
    for (const std::int64_t label : checked_labels(*batch)) {
      EXPECT_EQ(label, expected++);
    }
  }
  EXPECT_EQ(expected, 200);
  EXPECT_EQ(source->reads.load(), 200U);
}

TEST_P(LoaderLife, HeldBatchesStayValidThroughEverything) {
  std::vector<GPUBatch> held;
  std::vector<Tensor> tensors;
  {
    AsyncDataLoader loader(std::make_shared<CountingSource>(60), config(6));
    loader.start();
    while (std::optional<GPUBatch> batch = loader.get_batch()) {
      if (batch->batch_id % 2 == 0) {
        held.push_back(std::move(*batch));
      } else {
        tensors.push_back(batch->label_tensor);
      }
    }
    EXPECT_GT(loader.stats().slots_replaced, 0U);
    loader.start();
    loader.get_batch();
    loader.stop();
  }
  for (std::size_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(checked_labels(held[i]).front(), static_cast<std::int64_t>(i * 12));
    EXPECT_EQ(tensors[i].to_vector<std::int64_t>().front(), static_cast<std::int64_t>(i * 12 + 6));
    held[i].release();
    held[i].release();
    EXPECT_FALSE(held[i]);
    EXPECT_FALSE(held[i].input_tensor);
    EXPECT_TRUE(held[i].sample_ids().empty());
  }
}

TEST_P(LoaderLife, BeyondTheBudgetGetBatchThrowsAndLosesNothing) {
  AsyncDataLoaderConfig settings = config(64);  // 64 x 28 bytes: 768 + 512 + 512 packed.
  settings.byte_budget = std::size_t{1792} * 6;
  AsyncDataLoader loader(std::make_shared<CountingSource>(64 * 20), settings);
  loader.start();
  std::vector<GPUBatch> held;
  const auto take_all = [&] {
    while (std::optional<GPUBatch> batch = loader.get_batch()) {
      held.push_back(std::move(*batch));
    }
  };
  EXPECT_THAT(message_of(take_all), HasSubstr("exceeds the loader's byte_budget of 10752 bytes"));
  EXPECT_EQ(code_of([&] { loader.get_batch(); }), ErrorCode::capacity);
  EXPECT_EQ(code_of([&] { loader.try_get_batch(); }), ErrorCode::capacity);
  EXPECT_LE(loader.stats().peak_device_bytes, settings.byte_budget);
  std::vector<std::int64_t> all;
  for (GPUBatch& batch : held) {
    const auto labels = checked_labels(batch);
    all.insert(all.end(), labels.begin(), labels.end());
  }
  held.clear();
  const std::vector<std::int64_t> rest = drain(loader);
  all.insert(all.end(), rest.begin(), rest.end());
  ASSERT_EQ(all.size(), 64U * 20);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i], static_cast<std::int64_t>(i));
  }
}

TEST_P(LoaderLife, BudgetRecoversWhenOnlyATensorWasHeld) {
  AsyncDataLoaderConfig settings = config(64);
  settings.byte_budget = std::size_t{1792} * 5;
  AsyncDataLoader loader(std::make_shared<CountingSource>(64 * 12), settings);
  loader.start();
  std::vector<Tensor> tensors;
  EXPECT_EQ(code_of([&] {
              while (std::optional<GPUBatch> batch = loader.get_batch()) {
                tensors.push_back(batch->label_tensor);
              }
            }),
            ErrorCode::capacity);
  const std::size_t taken = tensors.size();
  tensors.clear();
  EXPECT_EQ(drain(loader).size(), 64 * (12 - taken));
}

TEST_P(LoaderLife, ASlotIsNotOverwrittenWhileTheConsumersStreamUsesIt) {
  const Stream consumer = device_.make_stream();
  CommandBufferPool commands(consumer, 4);
  AsyncDataLoaderConfig settings = config(4);
  settings.prefetch_depth = 1;
  AsyncDataLoader loader(std::make_shared<CountingSource>(80), settings);
  loader.start();
  std::vector<Tensor> copies;
  while (std::optional<GPUBatch> batch = loader.get_batch(consumer)) {
    copies.emplace_back(manager_, batch->label_tensor.shape(), DataType::int64);
    CommandBuffer work = commands.get_buffer();
    work.launch([](Stream) { std::this_thread::yield(); });
    work.copy(batch->label_tensor, copies.back());
    commands.execute_async(std::move(work));
    batch->release(consumer);
  }
  for (std::size_t i = 0; i < copies.size(); ++i) {
    EXPECT_EQ(copies[i].to_vector<std::int64_t>().front(), static_cast<std::int64_t>(i * 4));
  }
  EXPECT_EQ(copies.size(), 20U);
}

TEST_P(LoaderLife, ACapturingStreamIsRefusedAndNothingChanges) {
  if (!mock_) {
    GTEST_SKIP() << "host streams cannot be captured";
  }
  AsyncDataLoader loader(std::make_shared<CountingSource>(8), config(4));
  loader.start();
  std::optional<GPUBatch> batch = loader.get_batch();
  mock_->set_capturing(true);
  EXPECT_EQ(code_of([&] { loader.get_batch(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { batch->release(device_.default_stream()); }),
            ErrorCode::invalid_argument);
  EXPECT_TRUE(*batch);
  mock_->set_capturing(false);
  EXPECT_EQ(drain(loader).size(), 4U);
}

TEST_P(LoaderLife, BatchesReleasedBeforeACaptureComeBackAfterIt) {
  if (!mock_) {
    GTEST_SKIP() << "host streams cannot be captured";
  }
  const Stream consumer = device_.make_stream();
  AsyncDataLoaderConfig settings = config(4);
  settings.prefetch_depth = 1;
  AsyncDataLoader loader(std::make_shared<CountingSource>(24), settings);
  loader.start();
  std::optional<GPUBatch> batch = loader.get_batch(consumer);
  mock_->set_capturing(consumer, true);
  batch->release();
  auto rest = std::async(std::launch::async, [&loader] { return drain(loader); });
  // So that the loader comes to the memory meanwhile; the test passes however long that takes.
  rest.wait_for(std::chrono::milliseconds(50));
  mock_->set_capturing(false);
  EXPECT_EQ(rest.get().size(), 20U);
  EXPECT_EQ(mock_->broken_captures(), 0U);
}

TEST_P(LoaderLife, AStreamOfAnotherDeviceIsRefused) {
  MockDevice other({.random_order = true});
  AsyncDataLoader loader(std::make_shared<CountingSource>(8), config(4));
  loader.start();
  EXPECT_EQ(code_of([&] { loader.get_batch(other.device().make_stream()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(drain(loader).size(), 8U);
}

TEST_P(LoaderLife, EndlessEpochsGoOnUntilStop) {
  AsyncDataLoaderConfig settings = config(4);
  settings.epochs = 0;
  AsyncDataLoader loader(std::make_shared<CountingSource>(8), settings);
  loader.start();
  for (std::uint64_t epoch = 0; epoch < 50; ++epoch) {
    EXPECT_EQ(loader.get_batch()->epoch, epoch);
    EXPECT_EQ(checked_labels(*loader.get_batch()).front(), 4);
  }
  EXPECT_FALSE(loader.is_finished());
}

}  // namespace
}  // namespace headrace::testing
