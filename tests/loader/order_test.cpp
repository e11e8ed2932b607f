// SPDX-License-Identifier: Apache-2.0
// A batch's memory between the mover's stream and the consumer's: neither runs ahead of the other.
#include "headrace/command_buffer.h"

#include "loader_fixture.h"

#include <chrono>
#include <thread>

namespace headrace::testing {
namespace {

const std::int64_t* labels_of(const GPUBatch& batch) {
  return batch.label_tensor.native_handle().as_pointer<const std::int64_t>();
}

/// A loader on `host`, whose streams a test can hold, with a ring of two slots.
class LoaderOrder : public ::testing::Test {
 protected:
  /// Takes a batch, has `reader` read it behind a gate, releases it, and looks what was read.
  template <class Release>
  void expect_not_overwritten(const Stream& taken_on, const Stream& reader, Release release) {
    AsyncDataLoader loader(std::make_shared<CountingSource>(40), config_);
    loader.start();
    std::optional<GPUBatch> batch = loader.get_batch(taken_on);
    Gate gate;
    std::vector<std::int64_t> seen;
    CommandBufferPool pool(reader, 1);
    CommandBuffer commands = pool.get_buffer();
    commands.launch([&gate, &seen, labels = labels_of(*batch)](const Stream&) {
      gate.pass();
      seen.assign(labels, labels + 4);
    });
    const Completion done = pool.execute_async(std::move(commands));
    release(*batch);
    EXPECT_EQ(checked_labels(*loader.get_batch()).front(), 4);
    // Batch 2 has the slot that is being read. Where it were made anyway, it most often is by then.
    for (int look = 0; look < 30; ++look) {
      EXPECT_FALSE(loader.try_get_batch());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    gate.open();
    done.wait();
    EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1, 2, 3}));
    EXPECT_EQ(checked_labels(*loader.get_batch()).front(), 8);
  }

  const Device device_ = open_device("host");
  const AsyncDataLoaderConfig config_{
      .batch_size = 4, .prefetch_depth = 1, .memory_manager = MemoryManager(device_)};
};

TEST_F(LoaderOrder, ReleaseOnAStreamKeepsTheSlotUntilItsWorkIsDone) {
  const Stream reader = device_.make_stream();
  expect_not_overwritten(
      device_.make_stream(), reader, [&reader](GPUBatch& batch) { batch.release(reader); });
}

TEST_F(LoaderOrder, ReleaseKeepsTheSlotUntilTheWorkOfTheStreamThatTookItIsDone) {
  const Stream reader = device_.make_stream();
  expect_not_overwritten(reader, reader, [](GPUBatch& batch) { batch.release(); });
}

TEST_F(LoaderOrder, DestructionReleasesToo) {
  const Stream reader = device_.make_stream();
  expect_not_overwritten(reader, reader, [](GPUBatch& batch) { batch = GPUBatch(); });
}

/// Takes one batch on a device that does nothing before it is told to, and steps the consumer.
void expect_consumer_waits(bool unified_memory, std::optional<DataType> dtype) {
  MockDevice mock({.unified_memory = unified_memory});
  const Stream consumer = mock.device().make_stream();
  constexpr std::size_t kConsumer =
      1;  // Stream 0 is the default stream; the mover's is made later.
  AsyncDataLoaderConfig config{.batch_size = 4, .memory_manager = MemoryManager(mock.device())};
  config.output.dtype = dtype;
  AsyncDataLoader loader(std::make_shared<CountingSource>(4), config);
  loader.start();
  const std::optional<GPUBatch> batch = loader.get_batch(consumer);
  std::vector<std::int64_t> labels;
  std::vector<std::byte> inputs;
  CommandBufferPool pool(consumer, 1);
  CommandBuffer commands = pool.get_buffer();
  commands.launch([&](const Stream&) {
    const auto* input = batch->input_tensor.native_handle().as_pointer<const std::byte>();
    labels.assign(labels_of(*batch), labels_of(*batch) + 4);
    inputs.assign(input, input + batch->input_tensor.size_bytes());
  });
  pool.execute_async(std::move(commands));
  EXPECT_FALSE(mock.step(kConsumer)) << "it did not wait";
  mock.complete_all();
  EXPECT_EQ(labels, (std::vector<std::int64_t>{0, 1, 2, 3}));
  const float last = 5.0F;
  const std::int32_t same = 5;
  EXPECT_EQ(std::memcmp(&inputs.at(44), dtype ? static_cast<const void*>(&last) : &same, 4), 0);
}

TEST(LoaderHandOff, TheConsumersStreamWaitsForTheCopyToTheDevice) {
  expect_consumer_waits(false, std::nullopt);
}

TEST(LoaderHandOff, TheConsumersStreamWaitsForTheExpansion) {
  expect_consumer_waits(false, DataType::float32);
  expect_consumer_waits(true, DataType::float32);  // Nothing is copied there.
}

}  // namespace
}  // namespace headrace::testing
