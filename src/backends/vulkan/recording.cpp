// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/recording.h"

#include "backends/vulkan/context.h"

#include <algorithm>
#include <array>
#include <utility>

namespace headrace::vulkan {

namespace {
constexpr std::uint32_t kSetsAPool = 16;
}  // namespace

Recording::Recording(Context& context, std::uint32_t family) : context_(context), family_(family) {
  const VkCommandPoolCreateInfo pool{.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                     .queueFamilyIndex = family};
  const DeviceCalls& calls = context_.calls();
  context_.check(calls.vkCreateCommandPool(context_.device(), &pool, nullptr, &pool_),
                 "vkCreateCommandPool");
  const VkCommandBufferAllocateInfo info{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                         .commandPool = pool_,
                                         .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                         .commandBufferCount = 1};
  const VkResult result = calls.vkAllocateCommandBuffers(context_.device(), &info, &commands_);
  if (result != VK_SUCCESS) {
    calls.vkDestroyCommandPool(context_.device(), pool_, nullptr);
    context_.fail(result, "vkAllocateCommandBuffers");
  }
}

Recording::~Recording() {
  const DeviceCalls& calls = context_.calls();
  calls.vkDestroyCommandPool(context_.device(), pool_, nullptr);
  calls.vkDestroyQueryPool(context_.device(), queries_, nullptr);
  for (VkDescriptorPool descriptors : descriptors_) {
    calls.vkDestroyDescriptorPool(context_.device(), descriptors, nullptr);
  }
}

void Recording::begin(std::uint32_t times) {
  const DeviceCalls& calls = context_.calls();
  context_.check(calls.vkResetCommandPool(context_.device(), pool_, 0), "vkResetCommandPool");
  for (std::uint32_t i = 0; i * kSetsAPool < sets_; ++i) {
    context_.check(calls.vkResetDescriptorPool(context_.device(), descriptors_[i], 0),
                   "vkResetDescriptorPool");
  }
  sets_ = 0;
  times_ = 0;
  bound_ = VK_NULL_HANDLE;
  writes_host_memory_ = false;
  make_room_for_times(times);
  const VkCommandBufferBeginInfo info{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  context_.check(calls.vkBeginCommandBuffer(commands_, &info), "vkBeginCommandBuffer");
  if (times != 0) {
    calls.vkCmdResetQueryPool(commands_, queries_, 0, times);
  }
  barrier();
}

void Recording::make_room_for_times(std::uint32_t times) {
  if (times <= room_for_times_) {
    return;
  }
  const DeviceCalls& calls = context_.calls();
  calls.vkDestroyQueryPool(context_.device(), std::exchange(queries_, VK_NULL_HANDLE), nullptr);
  room_for_times_ = 0;
  const VkQueryPoolCreateInfo info{.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                   .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                   .queryCount = times};
  context_.check(calls.vkCreateQueryPool(context_.device(), &info, nullptr, &queries_),
                 "vkCreateQueryPool");
  room_for_times_ = times;
}

/// Everything recorded later waits for everything earlier, of this queue, and sees what it wrote.
void Recording::barrier() {
  const VkMemoryBarrier memory{
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
      .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
      .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT};
  context_.calls().vkCmdPipelineBarrier(commands_,
                                        VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                                        VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                                        0,
                                        1,
                                        &memory,
                                        0,
                                        nullptr,
                                        0,
                                        nullptr);
  hazards_.clear();
}

void Recording::add(const Operation& operation) {
  std::visit([this](const auto& one) { record(one); }, operation);
}

void Recording::record(const CopyOperation& copy) {
  if (hazards_.has(copy.from, copy.to)) {
    barrier();
  }
  hazards_.note(copy.from, copy.to);
  writes_host_memory_ |= copy.to.is_host_visible;
  const VkBufferCopy region{copy.from.offset, copy.to.offset, copy.to.size};
  context_.calls().vkCmdCopyBuffer(commands_, copy.from.buffer, copy.to.buffer, 1, &region);
}

void Recording::record(const FillOperation& fill) {
  if (hazards_.has({}, fill.to)) {
    barrier();
  }
  hazards_.note({}, fill.to);
  writes_host_memory_ |= fill.to.is_host_visible;
  context_.calls().vkCmdFillBuffer(
      commands_, fill.to.buffer, fill.to.offset, fill.to.size, fill.word);
}

void Recording::record(const DispatchOperation& dispatch) {
  if (hazards_.has(dispatch.from, dispatch.to)) {
    barrier();
  }
  hazards_.note(dispatch.from, dispatch.to);
  writes_host_memory_ |= dispatch.to.is_host_visible;
  const DeviceCalls& calls = context_.calls();
  const VkPipelineLayout layout = context_.pipelines().layout();
  if (bound_ != dispatch.pipeline) {
    calls.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, dispatch.pipeline);
    bound_ = dispatch.pipeline;
  }
  const VkDescriptorSet set = bind(dispatch);
  calls.vkCmdBindDescriptorSets(
      commands_, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0, nullptr);
  calls.vkCmdPushConstants(commands_,
                           layout,
                           VK_SHADER_STAGE_COMPUTE_BIT,
                           0,
                           sizeof dispatch.constants,
                           dispatch.constants.data());
  calls.vkCmdDispatch(commands_, dispatch.groups, 1, 1);
}

VkDescriptorSet Recording::next_set() {
  const DeviceCalls& calls = context_.calls();
  if (sets_ / kSetsAPool == descriptors_.size()) {
    const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                    kSetsAPool * Pipelines::kBuffers};
    const VkDescriptorPoolCreateInfo info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                          .maxSets = kSetsAPool,
                                          .poolSizeCount = 1,
                                          .pPoolSizes = &size};
    descriptors_.reserve(descriptors_.size() + 1);
    VkDescriptorPool pool = VK_NULL_HANDLE;
    context_.check(calls.vkCreateDescriptorPool(context_.device(), &info, nullptr, &pool),
                   "vkCreateDescriptorPool");
    descriptors_.push_back(pool);
  }
  const VkDescriptorSetLayout layout = context_.pipelines().set_layout();
  const VkDescriptorSetAllocateInfo info{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                         .descriptorPool = descriptors_[sets_ / kSetsAPool],
                                         .descriptorSetCount = 1,
                                         .pSetLayouts = &layout};
  VkDescriptorSet set = VK_NULL_HANDLE;
  context_.check(calls.vkAllocateDescriptorSets(context_.device(), &info, &set),
                 "vkAllocateDescriptorSets");
  ++sets_;
  return set;
}

VkDescriptorSet Recording::bind(const DispatchOperation& dispatch) {
  VkDescriptorSet set = next_set();
  // Expansions name the coefficients also where they read none, and then anything must be there.
  const std::array ranges{
      &dispatch.from,
      &dispatch.to,
      dispatch.coefficients.size != 0 ? &dispatch.coefficients : &dispatch.from};
  std::array<VkDescriptorBufferInfo, Pipelines::kBuffers> buffers{};
  std::array<VkWriteDescriptorSet, Pipelines::kBuffers> writes{};
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < Pipelines::kBuffers; ++i) {
    if (ranges[i]->size != 0) {
      buffers[i] = {ranges[i]->buffer, ranges[i]->offset, ranges[i]->size};
      writes[count++] = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                         .dstSet = set,
                         .dstBinding = i,
                         .descriptorCount = 1,
                         .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                         .pBufferInfo = &buffers[i]};
    }
  }
  context_.calls().vkUpdateDescriptorSets(context_.device(), count, writes.data(), 0, nullptr);
  return set;
}

void Recording::launch(const std::function<void(NativeHandle)>& function) {
  barrier();
  hazards_.note_everything();
  bound_ = VK_NULL_HANDLE;  // Whatever is bound then is the function's.
  writes_host_memory_ = true;
  function({HandleKind::command_buffer, reinterpret_cast<std::uint64_t>(commands_), 0});
}

std::uint32_t Recording::mark_time() {
  barrier();
  context_.calls().vkCmdWriteTimestamp(
      commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries_, times_);
  return times_++;
}

void Recording::end() {
  if (writes_host_memory_) {
    const VkMemoryBarrier memory{
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT};
    context_.calls().vkCmdPipelineBarrier(commands_,
                                          VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                                          VK_PIPELINE_STAGE_HOST_BIT,
                                          0,
                                          1,
                                          &memory,
                                          0,
                                          nullptr,
                                          0,
                                          nullptr);
  }
  context_.check(context_.calls().vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
}

std::vector<std::uint64_t> Recording::times() const {
  std::vector<std::uint64_t> ticks(times_);
  if (times_ != 0) {
    context_.check(
        context_.calls().vkGetQueryPoolResults(context_.device(),
                                               queries_,
                                               0,
                                               times_,
                                               ticks.size() * sizeof(std::uint64_t),
                                               ticks.data(),
                                               sizeof(std::uint64_t),
                                               VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
        "vkGetQueryPoolResults");
  }
  return ticks;
}

std::unique_ptr<Recording> Recordings::take(std::uint32_t family) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(idle_, family, &Recording::family);
    if (found != idle_.end()) {
      std::unique_ptr<Recording> taken = std::move(*found);
      idle_.erase(found);
      return taken;
    }
    idle_.reserve(++made_);  // Giving it back cannot fail.
  }
  return std::make_unique<Recording>(context_, family);
}

void Recordings::give_back(std::unique_ptr<Recording> recording) noexcept {
  const std::scoped_lock lock(mutex_);
  idle_.push_back(std::move(recording));
}

}  // namespace headrace::vulkan
