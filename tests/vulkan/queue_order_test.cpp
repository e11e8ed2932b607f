// SPDX-License-Identifier: Apache-2.0
#include "vulkan/backend_fixture.h"

// What the layer says of two queues that use the same bytes, where nobody lets one wait.

namespace headrace::test {
namespace {

constexpr std::size_t kBytes = 1024;
constexpr std::size_t kLarge = std::size_t{2} << 20;

class VulkanQueueOrderTest : public VulkanTest {
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
    EXPECT_THAT(said, testing::Each(testing::HasSubstr("which it does not wait for")));
    return !said.empty();
  }

  void finish(std::initializer_list<Queue*> queues) const {
    layer_->release();
    for (Queue* queue : queues) {
      queue->finish();
    }
  }
};

TEST_F(VulkanQueueOrderTest, AWriteAndAReadOrAWriteOfTheSameBytesAreSeen) {
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

TEST_F(VulkanQueueOrderTest, WhatShadersReadAndWriteIsKnown) {
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

TEST_F(VulkanQueueOrderTest, OtherBytesOfABufferAreNoConcern) {
  const auto gpu = block(2 * kBytes);
  Queue one = queue();
  Queue other = queue();
  one.submit({fill(gpu->at(), 1, kBytes)});
  other.submit({fill(gpu->at(kBytes), 2, kBytes)});
  EXPECT_FALSE(is_unordered());
  finish({&one, &other});
}

// The third is the queue that the second stream's large copies go to.
TEST_F(VulkanQueueOrderTest, WaitsOrderAlsoByWayOfAThirdQueue) {
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

TEST_F(VulkanQueueOrderTest, AWaitIsForNothingThatComesLater) {
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

TEST_F(VulkanQueueOrderTest, WhatTheProgramSawDoneIsBeforeAllLaterWork) {
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
TEST_F(VulkanQueueOrderTest, AStreamsQueuesWaitForEachOther) {
  const auto gpu = block(kLarge);
  const auto host = block(kLarge, DeviceType::cpu);
  Queue queue = this->queue();
  queue.submit({fill(gpu->at(), 4, kLarge),
                copy(gpu->at(), host->at(), kLarge),
                fill(gpu->at(), 5, kLarge)});
  EXPECT_FALSE(is_unordered());
  finish({&queue});
}

}  // namespace
}  // namespace headrace::test
