// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/vulkan/calls.h"
#include "backends/vulkan/shader.h"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace headrace::vulkan {

class Context;

/// A shader, and what its specialization constants 0, 1, 2... are.
struct PipelineKey {
  static constexpr std::size_t kMostConstants = 6;

  Shader shader = Shader::copy;
  std::array<std::uint32_t, kMostConstants> constants{};
  friend auto operator<=>(const PipelineKey&, const PipelineKey&) = default;
};

/// The pipelines of one device: each is made at its first use. All have one layout: three storage
/// buffers, source, target and coefficients, and push constants.
///
/// Threads: safe from any thread.
class Pipelines {
 public:
  static constexpr std::uint32_t kBuffers = 3;
  static constexpr std::uint32_t kMostPushConstants = 12;

  explicit Pipelines(Context& context);
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;
  ~Pipelines();

  /// \throws Error  as the driver says.
  VkPipeline get(const PipelineKey& key);

  [[nodiscard]] VkPipelineLayout layout() const noexcept { return layout_; }
  [[nodiscard]] VkDescriptorSetLayout set_layout() const noexcept { return set_layout_; }

 private:
  VkShaderModule module_of(Shader shader);
  VkPipeline make(const PipelineKey& key);

  Context& context_;
  VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  std::mutex mutex_;
  std::map<Shader, VkShaderModule> modules_;     // guarded by mutex_
  std::map<PipelineKey, VkPipeline> pipelines_;  // guarded by mutex_
};

}  // namespace headrace::vulkan
