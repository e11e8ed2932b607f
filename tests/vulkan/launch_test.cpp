// SPDX-License-Identifier: Apache-2.0
#include "vulkan/backend_fixture.h"

#include <future>
#include <thread>

namespace headrace::test {
namespace {

constexpr int kOutOfHostMemory = -1;

using VulkanLaunchTest = VulkanTest;

// It may call the library, of which the submitting thread holds locks.
TEST_F(VulkanLaunchTest, WhatALaunchHeldIsDroppedElsewhereAlsoWhenItCannotBeSubmitted) {
  for (const bool fails : {false, true}) {
    SCOPED_TRACE(fails);
    std::promise<std::thread::id> dropped;
    std::shared_ptr<int> held(new int(0), [&dropped](const int* value) {
      delete value;
      dropped.set_value(std::this_thread::get_id());
    });
    std::vector<Command> commands;
    commands.push_back(launch([held = std::move(held)](NativeHandle) {}));
    Queue queue = this->queue();
    if (fails) {
      layer_->fail("vkQueueSubmit", 1, kOutOfHostMemory);
    }
    EXPECT_EQ(code_of([&] { queue.submit(std::move(commands)); }),
              fails ? std::optional(ErrorCode::out_of_memory) : std::nullopt);
    EXPECT_NE(dropped.get_future().get(), std::this_thread::get_id());
    queue.finish();
  }
}

}  // namespace
}  // namespace headrace::test
