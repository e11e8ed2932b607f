// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/heaps.h"

#include "vulkan_layer/lock.h"

#include <algorithm>
#include <limits>
#include <map>

namespace headrace::vulkan_layer {

namespace {

using Heaps = std::array<VkDeviceSize, 2>;

Heaps& used(VkPhysicalDevice device) {
  static auto* const kUsed = new std::map<VkPhysicalDevice, Heaps>;
  return (*kUsed)[device];
}

Heaps& limits() {
  constexpr VkDeviceSize kNone = std::numeric_limits<VkDeviceSize>::max();
  static Heaps limits{kNone, kNone};
  return limits;
}

VkDeviceSize room(const Settings& settings, std::uint32_t heap) {
  return std::min<VkDeviceSize>(heap == 0 ? settings.device_heap : settings.host_heap,
                                limits()[heap]);
}

}  // namespace

VkPhysicalDeviceMemoryProperties memory_properties(const Settings& settings) {
  constexpr VkMemoryPropertyFlags kHost =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  VkPhysicalDeviceMemoryProperties properties{};
  properties.memoryTypeCount = kMemoryTypes;
  const VkMemoryPropertyFlags flags[] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                         VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                         kHost,
                                         kHost | VK_MEMORY_PROPERTY_HOST_CACHED_BIT};
  for (std::uint32_t type = 0; type < kMemoryTypes; ++type) {
    properties.memoryTypes[type] = {flags[type], heap_of_type(type)};
  }
  properties.memoryHeapCount = 2;
  properties.memoryHeaps[0] = {settings.device_heap, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
  properties.memoryHeaps[1] = {settings.host_heap, 0};
  return properties;
}

void tell_budget(VkPhysicalDevice device,
                 const Settings& settings,
                 VkPhysicalDeviceMemoryBudgetPropertiesEXT& budget) {
  const std::scoped_lock held(lock());
  std::ranges::fill(budget.heapBudget, 0);
  std::ranges::fill(budget.heapUsage, 0);
  for (std::uint32_t heap = 0; heap < 2; ++heap) {
    budget.heapBudget[heap] = room(settings, heap);
    budget.heapUsage[heap] = used(device)[heap];
  }
}

bool take_from_heap(VkPhysicalDevice device,
                    const Settings& settings,
                    std::uint32_t heap,
                    VkDeviceSize size) {
  const std::scoped_lock held(lock());
  const VkDeviceSize is_used = used(device)[heap];
  const VkDeviceSize may_be = room(settings, heap);
  if (is_used > may_be || size > may_be - is_used) {
    return false;
  }
  used(device)[heap] += size;
  return true;
}

void give_to_heap(VkPhysicalDevice device, std::uint32_t heap, VkDeviceSize size) {
  const std::scoped_lock held(lock());
  used(device)[heap] -= size;
}

void limit_heap(int heap, std::size_t bytes) {
  const std::scoped_lock held(lock());
  limits().at(static_cast<std::size_t>(heap)) = bytes;
}

}  // namespace headrace::vulkan_layer
