// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/queue.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/timeline.h"

namespace headrace::vulkan {

Queue::Queue(Context& context, const QueueFamily& family, std::uint32_t index)
    : context_(context), family_(family.index) {
  context_.calls().vkGetDeviceQueue(context_.device(), family_, index, &handle_);
}

void Queue::submit(std::span<const TimelinePoint> waits,
                   VkCommandBuffer commands,
                   const TimelinePoint& done) {
  std::vector<VkSemaphore> semaphores;
  std::vector<std::uint64_t> values;
  semaphores.reserve(waits.size());
  values.reserve(waits.size());
  for (const TimelinePoint& wait : waits) {
    semaphores.push_back(wait.timeline->handle());
    values.push_back(wait.value);
  }
  const std::vector<VkPipelineStageFlags> stages(waits.size(), VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  VkSemaphore signalled = done.timeline->handle();
  const VkTimelineSemaphoreSubmitInfo timelines{
      .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
      .waitSemaphoreValueCount = static_cast<std::uint32_t>(values.size()),
      .pWaitSemaphoreValues = values.data(),
      .signalSemaphoreValueCount = 1,
      .pSignalSemaphoreValues = &done.value};
  const VkSubmitInfo info{.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                          .pNext = &timelines,
                          .waitSemaphoreCount = static_cast<std::uint32_t>(semaphores.size()),
                          .pWaitSemaphores = semaphores.data(),
                          .pWaitDstStageMask = stages.data(),
                          .commandBufferCount = commands == VK_NULL_HANDLE ? 0U : 1U,
                          .pCommandBuffers = &commands,
                          .signalSemaphoreCount = 1,
                          .pSignalSemaphores = &signalled};
  const std::scoped_lock lock(mutex_);
  context_.check(context_.calls().vkQueueSubmit(handle_, 1, &info, VK_NULL_HANDLE),
                 "vkQueueSubmit");
}

}  // namespace headrace::vulkan
