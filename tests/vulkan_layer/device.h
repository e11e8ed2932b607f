// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"
#include "vulkan_layer/calls.h"
#include "vulkan_layer/in_flight.h"
#include "vulkan_layer/instance.h"
#include "vulkan_layer/shader_uses.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace headrace::vulkan_layer {

struct Device;

/// What programs have for a queue. All of a device's go to the driver's one.
struct Queue {
  void* dispatch = nullptr;  ///< The loader's.
  Device* device = nullptr;
  std::uint32_t family = 0;
  std::uint64_t last = 0;  ///< The last submission to it. Guarded by `submitting`.
};

struct Memory {
  std::uint32_t type = 0;
  VkDeviceSize size = 0;
  bool is_imported = false;  ///< The program's own, of no heap.
};

struct Buffer {
  VkDeviceMemory memory = VK_NULL_HANDLE;
  bool is_exclusive = false;            ///< For one family at a time.
  bool is_handed_over = false;          ///< By barriers, from one family to another.
  std::optional<std::uint32_t> family;  ///< The one that used it first.
};

/// What was recorded in a command buffer.
struct Recording {
  VkCommandPool pool = VK_NULL_HANDLE;
  std::set<VkBuffer> buffers{};
  std::set<VkDescriptorSet> sets{};
  std::set<VkPipeline> pipelines{};
  std::vector<Access> accesses{};
  VkPipeline bound_pipeline = VK_NULL_HANDLE;             ///< That dispatches to come use.
  std::map<std::uint32_t, VkDescriptorSet> bound_sets{};  ///< Likewise, by number.
};

struct DescriptorSet {
  VkDescriptorPool pool = VK_NULL_HANDLE;
  /// By binding and element.
  std::map<std::pair<std::uint32_t, std::uint32_t>, VkDescriptorBufferInfo> buffers;
};

/// The lock guards what is not said to be guarded otherwise or to stay as it is.
struct Device {
  // These stay as they are.
  VkDevice handle = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  Settings settings;
  DeviceCalls next;
  VkQueue real_queue = VK_NULL_HANDLE;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::unique_ptr<Queue>> queues;
  VkSemaphore done = VK_NULL_HANDLE;  ///< The number of the last submission that was carried out.
  VkSemaphore gate = VK_NULL_HANDLE;  ///< What submissions wait for that are held back.

  /// Whoever uses the driver's queue has it, and with it the numbers below.
  std::mutex submitting;
  std::uint64_t submitted = 0;  ///< Number of the last submission. Guarded by `submitting`.
  std::uint64_t free = 0;       ///< The last that no gate is before. Guarded by `submitting`.
  std::uint64_t opened = 0;     ///< The gate's value. Guarded by `submitting`.
  bool has_settled = false;     ///< Guarded by `submitting`.
  /// Semaphores to be destroyed, each with the last submission before. Guarded by `submitting`.
  std::vector<std::pair<std::uint64_t, VkSemaphore>> buried;
  std::atomic<bool> is_lost{false};

  std::map<std::uint64_t, std::string> objects;  ///< Kinds of what is alive, by handle.
  std::map<VkDeviceMemory, Memory> memories;
  std::map<VkBuffer, Buffer> buffers;
  std::map<VkCommandBuffer, Recording> recordings;
  std::map<VkDescriptorSet, DescriptorSet> sets;
  std::map<VkShaderModule, ShaderUses> modules;
  std::map<VkPipeline, ShaderUses> pipelines;
  std::map<VkSemaphore, std::uint64_t> promised;  ///< What timelines reach by what was submitted.
  InFlight in_flight;
};

/// The device that a handle belongs to; the loader has the same key for all of a device's. Takes
/// the lock.
Device& device_with(void* key);
template <class Handle>
Device& device_of(Handle handle) {
  return device_with(dispatch_key(handle));
}

/// Every device that is alive. Nobody may destroy one while they are used. Takes the lock.
std::vector<Device*> live_devices();

/// Returns the bytes of an allocation to its heap. Takes the lock.
void give_back(const Device& device, const Memory& memory);

}  // namespace headrace::vulkan_layer
