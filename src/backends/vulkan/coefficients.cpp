// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/coefficients.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/once.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace headrace::vulkan {

namespace {

/// What vkCmdUpdateBuffer takes at a time.
constexpr std::size_t kMostUpdated = 65536 / sizeof(float);

std::vector<float> values_of(const ExpandSpec& spec) {
  std::vector<float> values(spec.scale);
  values.insert(values.end(), spec.bias.begin(), spec.bias.end());
  if (values.empty()) {
    const auto channels = static_cast<std::size_t>(spec.channels);
    values.assign(channels, 1);
    values.resize(2 * channels, 0);
  }
  return values;
}

VkBuffer buffer_of(const MemoryBlock& block) {
  return reinterpret_cast<VkBuffer>(block.handle);  // NOLINT(performance-no-int-to-ptr): it is one
}

}  // namespace

Coefficients::~Coefficients() {
  for (const auto& [values, memory] : memory_) {
    context_.memory().release(memory);
  }
}

Range Coefficients::of(const ExpandSpec& spec) {
  std::vector<float> values = values_of(spec);
  const std::scoped_lock lock(mutex_);
  auto found = memory_.find(values);
  if (found == memory_.end()) {
    const MemoryBlock memory = upload(values);
    found = memory_.emplace(std::move(values), memory).first;
  }
  return {buffer_of(found->second), 0, found->second.size, false};
}

MemoryBlock Coefficients::upload(const std::vector<float>& values) {
  const MemoryBlock memory =
      context_.memory().allocate(DeviceType::gpu, values.size() * sizeof(float));
  try {
    Once once(context_);
    for (std::size_t done = 0; done < values.size(); done += kMostUpdated) {
      const std::size_t part = std::min(kMostUpdated, values.size() - done);
      context_.calls().vkCmdUpdateBuffer(once.recording().commands(),
                                         buffer_of(memory),
                                         done * sizeof(float),
                                         part * sizeof(float),
                                         &values[done]);
    }
    once.run();
  } catch (...) {
    context_.memory().release(memory);
    throw;
  }
  return memory;
}

}  // namespace headrace::vulkan
