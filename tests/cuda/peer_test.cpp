// SPDX-License-Identifier: Apache-2.0
#include "cuda/round.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

// Two devices: how copies between them reach the driver, and which of them an error is of.

namespace headrace::test {
namespace {

constexpr std::size_t kBytes = 4096;

class CudaPeerTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    other_ = backend_->open(1);
    here_ = block(kBytes);
    there_ = std::make_unique<Block>(other_, DeviceType::gpu, kBytes);
    host_ = block(kBytes, DeviceType::cpu);
    driver_->reset();
  }
  void TearDown() override {
    here_.reset();
    there_.reset();
    host_.reset();
    other_ = {};
    driver_->set_peer_access(true);
    CudaTest::TearDown();
  }

  /// A copy between the two blocks, for a stream of `device`'s.
  [[nodiscard]] Command between(const Block& from,
                                const Block& to,
                                const std::shared_ptr<BackendDevice>& device,
                                std::size_t bytes = kBytes) const {
    CopyCommand work{from.at(), to.at(), bytes};
    work.peer = device == device_ ? other_.get() : device_.get();
    return {work, "copy"};
  }

  /// Sends `value` to the other device and fetches it back in one submission, with `beside` in it.
  void expect_sent_around_in_one(Queue& queue, unsigned value, std::vector<Command> beside) {
    std::vector<Command> commands{fill(here_->at(), value, 1, kBytes)};
    std::ranges::move(beside, std::back_inserter(commands));
    commands.push_back(between(*here_, *there_, device_));
    commands.push_back(fill(here_->at(), 0, 1, kBytes));
    commands.push_back(between(*there_, *here_, device_));
    commands.push_back(copy(here_->at(), host_->at(), kBytes));
    const auto outcome = queue.submit(std::move(commands));
    queue.finish();
    EXPECT_EQ(outcome->error(), nullptr);
    EXPECT_EQ(host_->host<std::uint8_t>()[kBytes - 1], value);
  }

  /// Sends `value` to the other device and fetches it back, on a stream of `device`'s.
  /// \returns What came back.
  int sent_around(const std::shared_ptr<BackendDevice>& device, unsigned value) {
    Queue queue(device->make_stream());
    Queue own(device_->make_stream());
    own.submit({fill(here_->at(), value, 1, kBytes)});
    own.finish();
    const auto sent = queue.submit({between(*here_, *there_, device)});
    queue.finish();
    own.submit({fill(here_->at(), 0, 1, kBytes)});
    own.finish();
    const auto fetched = queue.submit({between(*there_, *here_, device)});
    queue.finish();
    own.submit({copy(here_->at(), host_->at(), kBytes)});
    own.finish();
    EXPECT_EQ(sent->error(), nullptr);
    EXPECT_EQ(fetched->error(), nullptr);
    return host_->host<std::uint8_t>()[kBytes - 1];
  }

  std::shared_ptr<BackendDevice> other_;
  std::unique_ptr<Block> here_;
  std::unique_ptr<Block> there_;
  std::unique_ptr<Block> host_;
};

TEST_F(CudaPeerTest, DevicesOfTheBackendReachEachOther) {
  EXPECT_TRUE(device_->reaches(*other_));
  EXPECT_TRUE(other_->reaches(*device_));
}

// A kernel would need access, and touch memory piece by piece; within a device it is the kernel
// that copies places so aligned.
TEST_F(CudaPeerTest, TheDriverCopiesWhateverTheAlignment) {
  EXPECT_EQ(sent_around(device_, 1), 1);
  EXPECT_EQ(driver_->calls("cuMemcpyAsync"), 3);
  EXPECT_EQ(driver_->calls("cuLaunchKernel"), 0);
}

TEST_F(CudaPeerTest, TheWayIsOpenedOnceForEachDirection) {
  for (unsigned turn = 1; turn <= 3; ++turn) {
    EXPECT_EQ(sent_around(device_, turn), static_cast<int>(turn));
    EXPECT_EQ(driver_->calls("cuCtxEnablePeerAccess"), 1);
  }
  for (unsigned turn = 1; turn <= 3; ++turn) {
    EXPECT_EQ(sent_around(other_, turn), static_cast<int>(turn));
    EXPECT_EQ(driver_->calls("cuCtxEnablePeerAccess"), 2);
  }
}

TEST_F(CudaPeerTest, NothingIsAskedOfADeviceThatCopiesWithinItself) {
  Round(device_).run();
  EXPECT_EQ(driver_->calls("cuDeviceCanAccessPeer"), 0);
  EXPECT_EQ(driver_->calls("cuCtxEnablePeerAccess"), 0);
}

TEST_F(CudaPeerTest, AWayThatOthersOpenedWillDo) {
  {
    const Current current(0);
    CUcontext peer = nullptr;
    ASSERT_EQ(api().cuDevicePrimaryCtxRetain(&peer, 1), CUDA_SUCCESS);
    ASSERT_EQ(api().cuCtxEnablePeerAccess(peer, 0), CUDA_SUCCESS);
    ASSERT_EQ(api().cuDevicePrimaryCtxRelease(1), CUDA_SUCCESS);
  }
  EXPECT_EQ(sent_around(device_, 7), 7);
}

TEST_F(CudaPeerTest, WhereThereIsNoWayTheDriverFindsAnother) {
  driver_->set_peer_access(false);
  EXPECT_EQ(sent_around(device_, 8), 8);
  EXPECT_EQ(driver_->calls("cuCtxEnablePeerAccess"), 0);
}

TEST_F(CudaPeerTest, AWayThatIsRefusedIsNoError) {
  driver_->fail("cuCtxEnablePeerAccess", 1, CUDA_ERROR_TOO_MANY_PEERS);
  EXPECT_EQ(sent_around(device_, 9), 9);
}

TEST_F(CudaPeerTest, AFailureOfTheFirstCopyIsToldAndTheNextTriesAgain) {
  driver_->fail("cuDeviceCanAccessPeer", 1, CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(code_of([&] { sent_around(device_, 1); }), ErrorCode::internal);
  EXPECT_EQ(sent_around(device_, 2), 2);
}

TEST_F(CudaPeerTest, BatchesGoAsCallsHoweverOftenTheyCome) {
  Queue queue = this->queue();
  for (unsigned turn = 1; turn <= 4; ++turn) {
    expect_sent_around_in_one(queue, turn, {});
  }
  EXPECT_EQ(driver_->calls("cuGraphLaunch"), 0);
}

TEST_F(CudaPeerTest, CopiesAreRecordedBesideLaunches) {
  Queue queue = this->queue();
  for (unsigned turn = 1; turn <= 3; ++turn) {
    expect_sent_around_in_one(queue, turn, {launch([](NativeHandle) {})});
  }
  EXPECT_EQ(driver_->calls("cuGraphLaunch"), 3);
}

TEST_F(CudaPeerTest, AWaitIsForTheMarkerOfTheOther) {
  Queue producer(other_->make_stream());
  Queue consumer = queue();
  driver_->set_manual(true);
  producer.submit({fill(there_->at(), 5, 1, kBytes)});
  consumer.stream->wait_for(*producer.stream, producer.signal());
  consumer.submit({between(*there_, *here_, device_)});
  const MarkerSerial end = consumer.signal();
  EXPECT_EQ(driver_->run(1), 1);
  EXPECT_EQ(driver_->run(1), 1);
  EXPECT_EQ(producer.stream->completed(), 1U) << "only the producer could go on";
  EXPECT_EQ(consumer.stream->completed(), 0U);
  EXPECT_EQ(driver_->run(100), 3);
  EXPECT_EQ(consumer.stream->completed(), end);
}

// The driver answers calls that name something of a lost context with that context's error.
TEST_F(CudaPeerTest, AWaitForALostDeviceLosesNoOther) {
  Queue producer(other_->make_stream());
  const Queue consumer = queue();
  driver_->set_manual(true);
  producer.submit({fill(there_->at(), 5, 1, kBytes)});
  const MarkerSerial marker = producer.signal();
  driver_->lose(1);
  EXPECT_EQ(code_of([&] { consumer.stream->wait_for(*producer.stream, marker); }),
            ErrorCode::device_lost);
  driver_->set_manual(false);
  EXPECT_EQ(code_of([&] { other_->make_stream(); }), ErrorCode::device_lost);
  Round(device_).run();
}

TEST_F(CudaPeerTest, ACopyFromALostDeviceLosesNoOther) {
  EXPECT_EQ(sent_around(device_, 3), 3);
  const Queue queue = this->queue();
  driver_->lose(1);
  EXPECT_EQ(code_of([&] { queue.submit({between(*there_, *here_, device_)}); }),
            ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { queue.submit({between(*there_, *here_, device_)}); }),
            ErrorCode::device_lost)
      << "now that it is known";
  Round(device_).run();
}

TEST_F(CudaPeerTest, ADeviceThatIsLostItselfIsToBlame) {
  EXPECT_EQ(sent_around(device_, 3), 3);
  const Queue queue = this->queue();
  driver_->lose(0);
  EXPECT_EQ(code_of([&] { queue.submit({between(*there_, *here_, device_)}); }),
            ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { device_->make_stream(); }), ErrorCode::device_lost);
  Round(other_).run();
}

}  // namespace
}  // namespace headrace::test
