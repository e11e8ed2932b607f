// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace headrace::vulkan {

namespace {

std::vector<const char*> extensions_of(const Facts& facts) {
  std::vector<const char*> names;
  if (facts.is_portability_subset) {
    names.push_back("VK_KHR_portability_subset");
  }
  if (facts.has_memory_budget) {
    names.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  }
  if (facts.import_alignment != 0) {
    names.push_back(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
  }
  return names;
}

[[noreturn]] void fail_to_open(VkResult result, const Facts& facts) {
  throw Error(code_of(result),
              fmt::format("vkCreateDevice failed on {}: {}.", facts.info.spec, name_of(result)));
}

}  // namespace

LogicalDevice::LogicalDevice(const Driver& driver, const Facts& facts) {
  constexpr std::size_t kMostQueues = 16;
  std::array<float, kMostQueues> priorities{};
  std::vector<VkDeviceQueueCreateInfo> queues;
  const auto add = [&](const QueueFamily& family) {
    queues.push_back({.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                      .queueFamilyIndex = family.index,
                      .queueCount = family.queues,
                      .pQueuePriorities = priorities.data()});
  };
  add(facts.compute);
  if (facts.transfer) {
    add(*facts.transfer);
  }
  const std::vector<const char*> extensions = extensions_of(facts);
  VkPhysicalDeviceVulkan12Features features{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
      .shaderFloat16 = facts.float_controls == FloatControls::none ? VK_FALSE : VK_TRUE,
      .timelineSemaphore = VK_TRUE};
  const VkDeviceCreateInfo info{
      .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
      .pNext = &features,
      .queueCreateInfoCount = static_cast<std::uint32_t>(queues.size()),
      .pQueueCreateInfos = queues.data(),
      .enabledExtensionCount = static_cast<std::uint32_t>(extensions.size()),
      .ppEnabledExtensionNames = extensions.data()};
  const VkResult result = driver.vkCreateDevice(facts.handle, &info, nullptr, &handle_);
  if (result != VK_SUCCESS) {
    fail_to_open(result, facts);
  }
  if (!calls_.load(driver, handle_)) {
    if (calls_.vkDestroyDevice != nullptr) {
      calls_.vkDestroyDevice(handle_, nullptr);
    }
    fail_to_open(VK_ERROR_INCOMPATIBLE_DRIVER, facts);
  }
}

LogicalDevice::~LogicalDevice() {
  calls_.vkDestroyDevice(handle_, nullptr);
}

// They are the same for all that are for the same, of any size.
std::uint32_t LogicalDevice::buffer_memory_types(const Facts& facts) const {
  const VkBufferCreateInfo info{
      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = 1, .usage = kBufferUsage};
  VkBuffer buffer = VK_NULL_HANDLE;
  if (const VkResult result = calls_.vkCreateBuffer(handle_, &info, nullptr, &buffer);
      result != VK_SUCCESS) {
    throw Error(code_of(result),
                fmt::format("vkCreateBuffer failed on {}: {}.", facts.info.spec, name_of(result)));
  }
  VkMemoryRequirements requirements{};
  calls_.vkGetBufferMemoryRequirements(handle_, buffer, &requirements);
  calls_.vkDestroyBuffer(handle_, buffer, nullptr);
  return requirements.memoryTypeBits;
}

Context::Context(const Driver& driver, Facts facts)
    : driver_(driver), facts_(std::move(facts)), logical_(driver, facts_) {
  if (!facts_.choose_memory_types(logical_.buffer_memory_types(facts_))) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{} has no memory that the host writes and buffers can have.",
                            facts_.info.spec));
  }
  const auto add = [this](const QueueFamily& family, auto& queues) {
    for (std::uint32_t i = 0; i < family.queues; ++i) {
      queues.push_back(std::make_unique<Queue>(*this, family, i));
    }
  };
  add(facts_.compute, compute_);
  if (facts_.transfer) {
    add(*facts_.transfer, transfer_);
  }
}

void Context::fail(VkResult result, const char* call) {
  if (result == VK_ERROR_DEVICE_LOST) {
    give_up();
  }
  throw Error(code_of(result),
              fmt::format("{} failed on {}: {}.", call, facts_.info.spec, name_of(result)));
}

void Context::refuse() const {
  throw Error(ErrorCode::device_lost,
              fmt::format("{} was lost after an earlier error.", facts_.info.spec));
}

Queue& Context::next_compute_queue() noexcept {
  return *compute_[streams_.fetch_add(1, std::memory_order_relaxed) % compute_.size()];
}

Queue* Context::next_transfer_queue() noexcept {
  return transfer_.empty()
             ? nullptr
             : transfer_[transfers_.fetch_add(1, std::memory_order_relaxed) % transfer_.size()]
                   .get();
}

}  // namespace headrace::vulkan
