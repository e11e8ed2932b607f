// SPDX-License-Identifier: Apache-2.0
#include "headrace/loader.h"

#include "support/loader_sources.h"
#include "vulkan/backend_fixture.h"
#include "vulkan/program_device.h"

#include <future>
#include <thread>

// A device that is lost: whoever waits is told, and what was taken can be given back.

namespace headrace::test {
namespace {

class VulkanLostTest : public VulkanTest {};

TEST_F(VulkanLostTest, ALostDeviceTellsWhoWaitsAndIsOpenedAnewAfterAllUsers) {
  {
    const auto gpu = block(4096);
    Queue queue = this->queue();
    layer_->hold();
    queue.submit({fill(gpu->at(), 1, 100)});
    const MarkerSerial marker = queue.signal();
    std::optional<ErrorCode> told;
    std::jthread waiter([&] { told = code_of([&] { queue.stream->wait(marker, kForever); }); });
    layer_->lose();
    layer_->release();
    waiter.join();
    EXPECT_EQ(told, ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { device_->make_stream(); }), ErrorCode::device_lost);
    EXPECT_EQ(code_of([&] { block(100).reset(); }), ErrorCode::device_lost);
  }
  device_ = {};
  device_ = backend_->open(0);
  const auto host = block(4096, DeviceType::cpu);
  Queue queue = this->queue();
  queue.submit({fill(host->at(), 3, 100)});
  queue.finish();
  EXPECT_EQ(host->host<std::uint8_t>()[99], 3);
}

/// The same by what programs call. What they took is given back before the fixture counts it.
class VulkanLostDeviceTest : public VulkanTest {
 protected:
  /// Runs `call`, which waits for the device, on a thread of its own, and loses the device under
  /// it. \returns How the call ended.
  std::optional<ErrorCode> lost_during(const std::function<void()>& call) const {
    layer_->reset();
    auto ended = std::async(std::launch::async, [&] { return code_of(call); });
    while (layer_->calls("vkWaitSemaphores") == 0 &&
           ended.wait_for(std::chrono::milliseconds(1)) == std::future_status::timeout) {
    }
    layer_->lose();
    return ended.get();
  }
};

/// Work on a program's device that does not begin while the layer holds it back.
struct HeldWork {
  Device device = open_program_device();
  MemoryManager manager{device};
  Stream stream = device.make_stream();
  Tensor tensor{manager, Shape{1000}, DataType::int32, DeviceType::gpu, stream};
  CommandBufferPool pool{stream, 1};

  /// Submits it.
  Completion begin(const vulkan_layer::Control& layer) {
    CommandBuffer buffer = pool.get_buffer();
    buffer.fill(tensor, 1);
    layer.hold();
    return pool.execute_async(std::move(buffer));
  }
};

TEST_F(VulkanLostDeviceTest, WhoSynchronizesAStreamIsTold) {
  HeldWork work;
  work.begin(*layer_);
  EXPECT_EQ(lost_during([&] { work.stream.synchronize(); }), ErrorCode::device_lost);
  EXPECT_EQ(code_of([&] { work.stream.synchronize(); }), ErrorCode::device_lost);
}

TEST_F(VulkanLostDeviceTest, WhoWaitsForACompletionIsTold) {
  HeldWork work;
  const Completion completion = work.begin(*layer_);
  EXPECT_EQ(lost_during([&] { completion.wait(); }), ErrorCode::device_lost);
  EXPECT_TRUE(completion.is_done());
  EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::device_lost);
}

// Batches that were ready may still come.
TEST_F(VulkanLostDeviceTest, WhoTakesBatchesOfARunningLoaderIsTold) {
  AsyncDataLoaderConfig config;
  config.batch_size = 4;
  config.memory_manager = MemoryManager(open_program_device());
  AsyncDataLoader loader(std::make_shared<testing::CountingSource>(1'000'000), config);
  loader.start();
  std::optional<GPUBatch> kept = loader.get_batch();
  ASSERT_TRUE(kept);
  layer_->lose();
  std::optional<ErrorCode> told;
  for (int batch = 0; batch < 10'000 && !told; ++batch) {
    told = code_of([&] { EXPECT_TRUE(loader.get_batch()); });
  }
  EXPECT_EQ(told, ErrorCode::device_lost);
  kept.reset();
  loader.stop();
}

}  // namespace
}  // namespace headrace::test
