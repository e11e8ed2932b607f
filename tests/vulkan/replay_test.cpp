// SPDX-License-Identifier: Apache-2.0
#include "vulkan/backend_fixture.h"

// What is recorded, what is submitted, and where.

namespace headrace::test {
namespace {

class VulkanReplayTest : public VulkanTest {
 protected:
  [[nodiscard]] int recorded() const { return layer_->calls("vkBeginCommandBuffer"); }
  [[nodiscard]] int submitted() const { return layer_->calls("vkQueueSubmit"); }
};

TEST_F(VulkanReplayTest, TheSameBatchIsRecordedOnce) {
  const auto gpu = block(4096);
  Queue queue = this->queue();
  for (int turn = 0; turn < 20; ++turn) {
    queue.submit({fill(gpu->at(), 1, 100), convert(gpu->at(), gpu->at(1024), 100)});
    queue.finish();
  }
  EXPECT_EQ(recorded(), 1);
  EXPECT_EQ(submitted(), 20);
  queue.submit({fill(gpu->at(), 2, 100), convert(gpu->at(), gpu->at(1024), 100)});
  queue.finish();
  EXPECT_EQ(recorded(), 2) << "another value";
}

TEST_F(VulkanReplayTest, ARecordingIsNotUsedAfterARelease) {
  const auto gpu = block(4096);
  auto other = block(4096);
  Queue queue = this->queue();
  queue.submit({fill(gpu->at(), 1, 100)});
  queue.finish();
  other.reset();
  queue.submit({fill(gpu->at(), 1, 100)});
  queue.finish();
  EXPECT_EQ(recorded(), 2);
}

TEST_F(VulkanReplayTest, ARecordingUnderWayIsNotSubmittedAgain) {
  const auto gpu = block(4096);
  Queue queue = this->queue();
  layer_->hold();
  queue.submit({fill(gpu->at(), 1, 100)});
  queue.submit({fill(gpu->at(), 1, 100)});
  EXPECT_EQ(recorded(), 2);
  layer_->release();
  queue.finish();
  queue.submit({fill(gpu->at(), 1, 100)});
  queue.finish();
  EXPECT_EQ(recorded(), 2);
}

TEST_F(VulkanReplayTest, AMarkerIsNoSubmissionAndPassesBehindTheWork) {
  const auto gpu = block(4096);
  Queue queue = this->queue();
  layer_->hold();
  queue.submit({fill(gpu->at(), 1, 100)});
  const MarkerSerial marker = queue.signal();
  EXPECT_EQ(submitted(), 1);
  EXPECT_LT(queue.stream->completed(), marker);
  EXPECT_FALSE(queue.stream->wait(marker, std::chrono::milliseconds(1)));
  layer_->release();
  EXPECT_TRUE(queue.stream->wait(marker, kForever));
  static_cast<void>(queue.stream->native_handle());
  queue.signal();
  EXPECT_EQ(submitted(), 2) << "behind what others may have put there";
  queue.finish();
}

TEST_F(VulkanReplayTest, AWaitGoesWithTheNextSubmission) {
  const auto gpu = block(4096);
  const auto host = block(4096, DeviceType::cpu);
  Queue producer = queue();
  Queue consumer = queue();
  layer_->hold();
  producer.submit({fill(gpu->at(), 7, 100)});
  consumer.stream->wait_for(*producer.stream, producer.signal());
  EXPECT_EQ(submitted(), 1);
  consumer.submit({copy(gpu->at(), host->at(), 100)});
  EXPECT_EQ(submitted(), 2);
  layer_->release();
  consumer.finish();
  EXPECT_EQ(host->host<std::uint8_t>()[99], 7);
}

// What goes to the family that copies is a submission of its own.
TEST_F(VulkanReplayTest, LargeCopiesToAndFromTheHostGoToAQueueOfTheirOwnInOrder) {
  constexpr std::size_t kLarge = std::size_t{2} << 20;
  const auto gpu = block(kLarge);
  const auto host = block(kLarge, DeviceType::cpu);
  Queue queue = this->queue();
  queue.submit({fill(gpu->at(), 3, kLarge), copy(gpu->at(), host->at(), 1000)});
  EXPECT_EQ(submitted(), 1);
  queue.submit({fill(gpu->at(), 4, kLarge),
                copy(gpu->at(), host->at(), kLarge),
                fill(gpu->at(), 5, kLarge)});
  EXPECT_EQ(submitted(), 4);
  queue.finish();
  EXPECT_EQ(host->host<std::uint8_t>()[0], 4);
  EXPECT_EQ(host->host<std::uint8_t>()[kLarge - 1], 4);
}

// Others submit to the queue whose handle they have, and go by no wait but those in it.
TEST_F(VulkanReplayTest, AStreamWhoseHandleIsKnownWaitsAtOnceAndUsesNoOtherQueue) {
  constexpr std::size_t kLarge = std::size_t{2} << 20;
  const auto gpu = block(kLarge);
  const auto host = block(kLarge, DeviceType::cpu);
  Queue producer = queue();
  Queue known = queue();
  layer_->hold();
  producer.submit({fill(gpu->at(), 7, 100)});
  static_cast<void>(known.stream->native_handle());
  EXPECT_EQ(submitted(), 1);
  known.stream->wait_for(*producer.stream, producer.signal());
  EXPECT_EQ(submitted(), 2);
  known.submit({fill(gpu->at(), 4, kLarge), copy(gpu->at(), host->at(), kLarge)});
  EXPECT_EQ(submitted(), 3) << "of which a copy on another queue would be one";
  layer_->release();
  known.finish();
  EXPECT_EQ(host->host<std::uint8_t>()[0], 4);
}

TEST_F(VulkanReplayTest, AHandleIsGivenOutBehindTheWaitsAndTheCopiesOnTheOtherQueue) {
  constexpr std::size_t kLarge = std::size_t{2} << 20;
  const auto gpu = block(kLarge);
  const auto other = block(100);
  const auto host = block(kLarge, DeviceType::cpu);
  Queue producer = queue();
  Queue copies = queue();
  Queue waits = queue();
  Queue computes = queue();
  layer_->hold();
  producer.submit({fill(other->at(), 7, 100)});
  waits.stream->wait_for(*producer.stream, producer.signal());
  copies.submit({copy(gpu->at(), host->at(), kLarge)});
  EXPECT_EQ(submitted(), 2);
  static_cast<void>(copies.stream->native_handle());
  EXPECT_EQ(submitted(), 3);
  static_cast<void>(waits.stream->native_handle());
  EXPECT_EQ(submitted(), 4);
  static_cast<void>(computes.stream->native_handle());
  EXPECT_EQ(submitted(), 4) << "nothing is in its way";
  layer_->release();
  for (const Queue* queue : {&producer, &copies, &waits}) {
    queue->stream->signal(2);
    EXPECT_TRUE(queue->stream->wait(2, kForever));
  }
}

// An upload that is under way is waited for on the device, by whoever reads it.
TEST_F(VulkanReplayTest, CoefficientsAreSentOnceAndNobodyWaitsForThemHere) {
  const auto gpu = block(4096);
  const auto host = block(4096, DeviceType::cpu);
  Queue queue = this->queue();
  queue.submit({fill(gpu->at(), 3, 8)});
  queue.finish();
  const int before = submitted();
  layer_->hold();
  queue.submit({expand(gpu->at(), gpu->at(1024), 8, 2)});
  EXPECT_EQ(submitted(), before + 2) << "the coefficients, and the work";
  queue.submit({expand(gpu->at(), gpu->at(1024), 8, 2)});
  EXPECT_EQ(submitted(), before + 3);
  queue.submit({expand(gpu->at(), gpu->at(1024), 8, 4), copy(gpu->at(1024), host->at(), 32)});
  EXPECT_EQ(submitted(), before + 5);
  layer_->release();
  queue.finish();
  EXPECT_EQ(host->host<float>()[7], 12.5F);
}

}  // namespace
}  // namespace headrace::test
