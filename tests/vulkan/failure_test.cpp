// SPDX-License-Identifier: Apache-2.0
#include "vulkan/backend_fixture.h"

#include <thread>

// Calls of the driver that fail, limits that are met, and a device that is lost.

namespace headrace::test {
namespace {

constexpr int kOutOfHostMemory = -1;

/// Some work of each kind. \throws std::runtime_error  when the result is wrong.
void do_round(const std::shared_ptr<BackendDevice>& device) {
  const Block host(device, DeviceType::cpu, 4096);
  const Block gpu(device, DeviceType::gpu, 4096);
  Queue queue(device->make_stream());  // Goes first, and waits.
  const auto first = queue.submit({fill(gpu.at(), 3, 100), convert(gpu.at(), gpu.at(1024), 100)});
  const auto second =
      queue.submit({launch([](NativeHandle) {}), copy(gpu.at(1024), host.at(), 400)});
  queue.finish();
  for (const auto& outcome : {first, second}) {
    if (outcome->error()) {
      std::rethrow_exception(outcome->error());
    }
  }
  if (host.host<float>()[99] != 3.0F) {
    throw std::runtime_error("wrong");
  }
}

class VulkanFailureTest : public VulkanTest {};

TEST_F(VulkanFailureTest, EveryCallThatFailsIsACleanErrorAndTheNextRoundWorks) {
  do_round(device_);
  do_round(device_);
  for (const char* name : {"vkCreateBuffer",
                           "vkAllocateMemory",
                           "vkBindBufferMemory",
                           "vkMapMemory",
                           "vkResetCommandPool",
                           "vkBeginCommandBuffer",
                           "vkEndCommandBuffer",
                           "vkAllocateDescriptorSets",
                           "vkQueueSubmit"}) {
    layer_->reset();
    do_round(device_);
    const int count = layer_->calls(name);
    EXPECT_GT(count, 0) << "a round never calls " << name;
    for (int nth = 1; nth <= count; ++nth) {
      SCOPED_TRACE(name + (" " + std::to_string(nth)));
      layer_->reset();
      layer_->fail(name, nth, kOutOfHostMemory);
      EXPECT_EQ(code_of([&] { do_round(device_); }), ErrorCode::out_of_memory);
      layer_->reset();
      EXPECT_EQ(code_of([&] { do_round(device_); }), std::nullopt);
    }
  }
}

TEST_F(VulkanFailureTest, NoMoreAllocationsAreMadeThanTheDeviceCanHave) {
  open_with("HEADRACE_VULKAN_LAYER_MAX_ALLOCATIONS", "64");
  std::vector<std::unique_ptr<Block>> blocks;
  std::optional<Error> error;
  while (!error && blocks.size() < 100) {
    error = error_of([&] { blocks.push_back(block(100)); });
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::out_of_memory);
  EXPECT_THAT(error->what(), testing::HasSubstr("64"));
  blocks.pop_back();
  blocks.push_back(block(100));
}

TEST_F(VulkanFailureTest, NoAllocationIsLargerThanTheDeviceAllows) {
  open_with("HEADRACE_VULKAN_LAYER_MAX_ALLOCATION_SIZE", "1048576");
  const std::optional<Error> error = error_of([&] { block(1048577).reset(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::out_of_memory);
  EXPECT_THAT(error->what(), testing::HasSubstr("1048576"));
  EXPECT_EQ(layer_->calls("vkAllocateMemory"), 0);
  block(1048576).reset();
}

TEST_F(VulkanFailureTest, WhatOthersUseIsNotAskedFor) {
  layer_->limit_heap(0, 10 << 20);
  const std::optional<Error> error = error_of([&] { block(20 << 20).reset(); });
  layer_->limit_heap(0, SIZE_MAX);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::out_of_memory);
  EXPECT_THAT(error->what(), testing::HasSubstr("20971520"));
  EXPECT_EQ(layer_->calls("vkAllocateMemory"), 0) << "the driver would page";
  block(20 << 20).reset();
}

TEST_F(VulkanFailureTest, ALostDeviceTellsWhoWaitsAndIsOpenedAnewAfterAllUsers) {
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
  do_round(device_);
}

}  // namespace
}  // namespace headrace::test
