// SPDX-License-Identifier: Apache-2.0
#include "vulkan/round.h"

#include <algorithm>
#include <map>

// Calls of the driver that fail, and limits that are met.

namespace headrace::test {
namespace {

constexpr int kOutOfHostMemory = -1;

/// Whether a round has a device that is opened anew for it, and has made nothing yet.
enum class Start { warm, cold };

class VulkanFailureTest : public VulkanTest {
 protected:
  std::optional<Error> error_of_round(Start start) {
    return error_of([&] {
      if (start == Start::cold) {
        reopen();
      }
      Round(device_, *layer_).run();
    });
  }

  /// How often a round calls what may fail.
  std::map<std::string, int> calls_of_round(Start start) {
    layer_->reset();
    EXPECT_EQ(text_of(error_of_round(start)), "");
    std::map<std::string, int> calls;
    for (const std::string& name : layer_->called()) {
      calls[name] = layer_->calls(name);
    }
    calls.erase("vkEnumerateDeviceExtensionProperties");  // The loader and other layers ask, too.
    return calls;
  }

  /// Has some of the `count` calls fail that a round makes, one in each round.
  void fail_some(Start start, const std::string& name, int count) {
    const int step = std::max(1, count / (start == Start::cold ? 4 : 8));
    for (int nth = 1; nth <= count; nth += step) {
      SCOPED_TRACE(name + " " + std::to_string(nth) + " of " + std::to_string(count));
      fail_one(start, name, nth);
    }
  }

 private:
  void fail_one(Start start, const std::string& name, int nth) {
    layer_->reset();
    layer_->fail(name, nth, kOutOfHostMemory);
    const std::optional<Error> error = error_of_round(start);
    if (error) {
      EXPECT_EQ(error->code(), ErrorCode::out_of_memory);
      EXPECT_THAT(error->what(), testing::HasSubstr("vulkan:0"));
    } else if (!may_be_tried_again(name)) {
      EXPECT_FALSE(layer_->failed_here()) << "nobody was told";
    }
    layer_->reset();
    if (device_ == nullptr) {
      reopen();
    }
    EXPECT_EQ(text_of(error_of_round(Start::warm)), "") << "after " << text_of(error);
  }

  static std::string text_of(const std::optional<Error>& error) {
    return error ? error->what() : "";
  }

  /// Calls that look or wait before something is let go, which must not end too early.
  static bool may_be_tried_again(const std::string& name) {
    return name == "vkGetSemaphoreCounterValue" || name == "vkWaitSemaphores";
  }
};

// What a round needs each time, and what the first on a device makes for all later ones.
TEST_F(VulkanFailureTest, EveryCallThatFailsIsACleanErrorAndTheNextRoundWorksStress) {
  open_with("HEADRACE_VULKAN_LAYER_HIDE", "none");
  const std::map<std::string, int> cold = calls_of_round(Start::cold);
  const std::map<std::string, int> warm = calls_of_round(Start::warm);
  for (const auto& [name, count] : warm) {
    fail_some(Start::warm, name, count);
  }
  for (const auto& [name, count] : cold) {
    if (!warm.contains(name) || warm.at(name) < count) {
      fail_some(Start::cold, name, count);
    }
  }
  for (const char* name : {"vkAllocateCommandBuffers",
                           "vkAllocateDescriptorSets",
                           "vkAllocateMemory",
                           "vkBeginCommandBuffer",
                           "vkBindBufferMemory",
                           "vkCreateBuffer",
                           "vkCreateCommandPool",
                           "vkCreateComputePipelines",
                           "vkCreateDescriptorPool",
                           "vkCreateDescriptorSetLayout",
                           "vkCreateDevice",
                           "vkCreatePipelineLayout",
                           "vkCreateQueryPool",
                           "vkCreateSemaphore",
                           "vkCreateShaderModule",
                           "vkEndCommandBuffer",
                           "vkGetMemoryHostPointerPropertiesEXT",
                           "vkGetQueryPoolResults",
                           "vkGetSemaphoreCounterValue",
                           "vkMapMemory",
                           "vkQueueSubmit",
                           "vkResetCommandPool",
                           "vkResetDescriptorPool",
                           "vkWaitSemaphores"}) {
    EXPECT_TRUE(cold.contains(name) || warm.contains(name)) << "a round never calls " << name;
  }
  reopen();  // Coefficients stay as long as the device.
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

}  // namespace
}  // namespace headrace::test
