// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/pipelines.h"

#include "backends/vulkan/context.h"

namespace headrace::vulkan {

Pipelines::Pipelines(Context& context) : context_(context) {
  std::array<VkDescriptorSetLayoutBinding, kBuffers> bindings{};
  for (std::uint32_t i = 0; i < kBuffers; ++i) {
    bindings[i] = {.binding = i,
                   .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                   .descriptorCount = 1,
                   .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  }
  const VkDescriptorSetLayoutCreateInfo set{
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
      .bindingCount = kBuffers,
      .pBindings = bindings.data()};
  const DeviceCalls& calls = context_.calls();
  context_.check(calls.vkCreateDescriptorSetLayout(context_.device(), &set, nullptr, &set_layout_),
                 "vkCreateDescriptorSetLayout");
  const VkPushConstantRange range{.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                  .size = kMostPushConstants * sizeof(std::uint32_t)};
  const VkPipelineLayoutCreateInfo info{.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                        .setLayoutCount = 1,
                                        .pSetLayouts = &set_layout_,
                                        .pushConstantRangeCount = 1,
                                        .pPushConstantRanges = &range};
  const VkResult result = calls.vkCreatePipelineLayout(context_.device(), &info, nullptr, &layout_);
  if (result != VK_SUCCESS) {
    calls.vkDestroyDescriptorSetLayout(context_.device(), set_layout_, nullptr);
    context_.fail(result, "vkCreatePipelineLayout");
  }
}

Pipelines::~Pipelines() {
  const DeviceCalls& calls = context_.calls();
  for (const auto& [key, pipeline] : pipelines_) {
    calls.vkDestroyPipeline(context_.device(), pipeline, nullptr);
  }
  for (const auto& [shader, module] : modules_) {
    calls.vkDestroyShaderModule(context_.device(), module, nullptr);
  }
  calls.vkDestroyPipelineLayout(context_.device(), layout_, nullptr);
  calls.vkDestroyDescriptorSetLayout(context_.device(), set_layout_, nullptr);
}

VkPipeline Pipelines::get(const PipelineKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = pipelines_.find(key);
  if (found != pipelines_.end()) {
    return found->second;
  }
  return pipelines_.emplace(key, make(key)).first->second;
}

VkShaderModule Pipelines::module_of(Shader shader) {
  const auto [place, is_new] = modules_.try_emplace(shader, VK_NULL_HANDLE);
  if (place->second == VK_NULL_HANDLE) {
    const std::vector<std::uint32_t> words = words_of(shader, context_.facts().float_controls);
    const VkShaderModuleCreateInfo info{.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                        .codeSize = words.size() * sizeof(std::uint32_t),
                                        .pCode = words.data()};
    context_.check(
        context_.calls().vkCreateShaderModule(context_.device(), &info, nullptr, &place->second),
        "vkCreateShaderModule");
  }
  return place->second;
}

VkPipeline Pipelines::make(const PipelineKey& key) {
  std::array<VkSpecializationMapEntry, PipelineKey::kMostConstants> entries{};
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    const auto size = static_cast<std::uint32_t>(sizeof(std::uint32_t));
    entries[i] = {.constantID = i, .offset = i * size, .size = size};
  }
  const VkSpecializationInfo constants{.mapEntryCount = static_cast<std::uint32_t>(entries.size()),
                                       .pMapEntries = entries.data(),
                                       .dataSize = sizeof key.constants,
                                       .pData = key.constants.data()};
  const VkComputePipelineCreateInfo info{
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
      .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module_of(key.shader),
                .pName = "main",
                .pSpecializationInfo = &constants},
      .layout = layout_};
  VkPipeline pipeline = VK_NULL_HANDLE;
  context_.check(context_.calls().vkCreateComputePipelines(
                     context_.device(), VK_NULL_HANDLE, 1, &info, nullptr, &pipeline),
                 "vkCreateComputePipelines");
  return pipeline;
}

}  // namespace headrace::vulkan
