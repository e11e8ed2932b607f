// SPDX-License-Identifier: Apache-2.0
#include "headrace/loader.h"

#include "support/loader_sources.h"
#include "vulkan/backend_fixture.h"
#include "vulkan/program_device.h"

// What the layer says of two queues that use the same bytes, where nobody lets one wait.

namespace headrace::test {
namespace {

constexpr std::size_t kBytes = 1024;
constexpr std::size_t kLarge = std::size_t{2} << 20;

class VulkanWaitsTest : public VulkanTest {
 protected:
  void SetUp() override {
    VulkanTest::SetUp();
    if (device_ != nullptr) {
      layer_->hold();  // So that nothing is seen to be done.
    }
  }

  /// Whether the layer has seen such a thing since it was last asked.
  [[nodiscard]] bool is_unordered() const {
    const std::vector<std::string> said = layer_->take_violations();
    EXPECT_THAT(said, ::testing::Each(::testing::HasSubstr("which it does not wait for")));
    return !said.empty();
  }

  void finish(std::initializer_list<Queue*> queues) const {
    layer_->release();
    for (Queue* queue : queues) {
      queue->finish();
    }
  }
};

TEST_F(VulkanWaitsTest, AWriteAndAReadOrAWriteOfTheSameBytesAreSeen) {
  const auto gpu = block(2 * kBytes);
  const auto host = block(kBytes, DeviceType::cpu);
  Queue writer = queue();
  Queue other = queue();
  writer.submit({fill(gpu->at(), 1, kBytes)});
  EXPECT_FALSE(is_unordered());
  other.submit({copy(gpu->at(kBytes - 8), host->at(), 8)});
  EXPECT_TRUE(is_unordered()) << "read behind the write";
  other.submit({fill(gpu->at(kBytes - 8), 2, 8)});
  EXPECT_TRUE(is_unordered()) << "written behind the write";
  finish({&writer, &other});
  layer_->hold();
  other.submit({copy(gpu->at(), host->at(), 8)});
  writer.submit({fill(gpu->at(), 3, kBytes)});
  EXPECT_TRUE(is_unordered()) << "written behind the read";
  finish({&writer, &other});
}

TEST_F(VulkanWaitsTest, WhatShadersReadAndWriteIsKnown) {
  const auto gpu = block(16 * kBytes);
  Queue one = queue();
  Queue other = queue();
  one.submit({convert(gpu->at(), gpu->at(4 * kBytes), kBytes)});
  other.submit({convert(gpu->at(), gpu->at(8 * kBytes), kBytes)});
  EXPECT_FALSE(is_unordered()) << "both read the same";
  other.submit({convert(gpu->at(4 * kBytes), gpu->at(12 * kBytes), kBytes)});
  EXPECT_TRUE(is_unordered()) << "reads what the first writes";
  finish({&one, &other});
}

TEST_F(VulkanWaitsTest, OtherBytesOfABufferAreNoConcern) {
  const auto gpu = block(2 * kBytes);
  Queue one = queue();
  Queue other = queue();
  one.submit({fill(gpu->at(), 1, kBytes)});
  other.submit({fill(gpu->at(kBytes), 2, kBytes)});
  EXPECT_FALSE(is_unordered());
  finish({&one, &other});
}

// The third is the queue that the second stream's large copies go to.
TEST_F(VulkanWaitsTest, WaitsOrderAlsoByWayOfAThirdQueue) {
  const auto gpu = block(kLarge);
  const auto host = block(kLarge, DeviceType::cpu);
  Queue first = queue();
  Queue second = queue();
  first.submit({fill(gpu->at(), 1, kLarge)});
  second.stream->wait_for(*first.stream, first.signal());
  second.signal();
  second.submit({copy(gpu->at(), host->at(), kLarge)});
  EXPECT_FALSE(is_unordered());
  finish({&first, &second});
}

TEST_F(VulkanWaitsTest, AWaitIsForNothingThatComesLater) {
  const auto gpu = block(kBytes);
  Queue first = queue();
  Queue second = queue();
  first.submit({fill(gpu->at(), 1, 8)});
  const MarkerSerial early = first.signal();
  first.submit({fill(gpu->at(), 1, kBytes)});
  second.stream->wait_for(*first.stream, early);
  second.submit({fill(gpu->at(), 2, kBytes)});
  EXPECT_TRUE(is_unordered());
  finish({&first, &second});
}

TEST_F(VulkanWaitsTest, WhatTheProgramSawDoneIsBeforeAllLaterWork) {
  const auto gpu = block(kBytes);
  Queue first = queue();
  Queue second = queue();
  first.submit({fill(gpu->at(), 1, kBytes)});
  finish({&first});
  layer_->hold();
  second.submit({fill(gpu->at(), 2, kBytes)});
  EXPECT_FALSE(is_unordered());
  finish({&second});
}

// Its large copies go to another queue.
TEST_F(VulkanWaitsTest, AStreamsQueuesWaitForEachOther) {
  const auto gpu = block(kLarge);
  const auto host = block(kLarge, DeviceType::cpu);
  Queue queue = this->queue();
  queue.submit({fill(gpu->at(), 4, kLarge),
                copy(gpu->at(), host->at(), kLarge),
                fill(gpu->at(), 5, kLarge)});
  EXPECT_FALSE(is_unordered());
  finish({&queue});
}

// By many threads, with samples that another stream reads.
TEST_F(VulkanWaitsTest, ALoadersStreamsWaitForEachOtherAndForWhoReads) {
  layer_->release();
  const Device device = open_program_device();
  const MemoryManager manager(device);
  const Stream reader = device.make_stream();
  AsyncDataLoaderConfig config;
  config.batch_size = 16;
  config.workers = 3;
  config.epochs = 3;
  config.memory_manager = manager;
  AsyncDataLoader loader(std::make_shared<testing::CountingSource>(500), config);
  loader.start();
  Tensor sum(manager, Shape{16, 3}, DataType::int32, DeviceType::gpu, reader);
  while (std::optional<GPUBatch> batch = loader.get_batch()) {
    if (batch->batch_id % 2 == 0) {
      EXPECT_FALSE(testing::checked_labels(*batch).empty());
    } else if (batch->input_tensor.shape() == sum.shape()) {
      sum.copy_from(batch->input_tensor, reader);
    }
  }
  EXPECT_FALSE(is_unordered());
}

}  // namespace
}  // namespace headrace::test
