// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"

#include <type_traits>

// The calls that pass through the layer, by name without "vk".

/// Those of an instance and its physical devices; the layer has a function for each.
#define HEADRACE_VULKAN_LAYER_INSTANCE_CALLS(CALL) \
  CALL(DestroyInstance)                            \
  CALL(EnumerateDeviceExtensionProperties)         \
  CALL(GetPhysicalDeviceProperties)                \
  CALL(GetPhysicalDeviceProperties2)               \
  CALL(GetPhysicalDeviceFeatures)                  \
  CALL(GetPhysicalDeviceFeatures2)                 \
  CALL(GetPhysicalDeviceMemoryProperties)          \
  CALL(GetPhysicalDeviceMemoryProperties2)         \
  CALL(GetPhysicalDeviceQueueFamilyProperties)     \
  CALL(GetPhysicalDeviceQueueFamilyProperties2)

/// Those of a device that the layer has a function for.
#define HEADRACE_VULKAN_LAYER_FOLLOWED_CALLS(CALL) \
  CALL(DestroyDevice)                              \
  CALL(GetDeviceQueue)                             \
  CALL(GetDeviceQueue2)                            \
  CALL(AllocateMemory)                             \
  CALL(FreeMemory)                                 \
  CALL(MapMemory)                                  \
  CALL(GetMemoryHostPointerPropertiesEXT)          \
  CALL(CreateBuffer)                               \
  CALL(DestroyBuffer)                              \
  CALL(BindBufferMemory)                           \
  CALL(BindBufferMemory2)                          \
  CALL(GetBufferMemoryRequirements)                \
  CALL(GetBufferMemoryRequirements2)               \
  CALL(CreateSemaphore)                            \
  CALL(DestroySemaphore)                           \
  CALL(WaitSemaphores)                             \
  CALL(SignalSemaphore)                            \
  CALL(GetSemaphoreCounterValue)                   \
  CALL(CreateFence)                                \
  CALL(DestroyFence)                               \
  CALL(WaitForFences)                              \
  CALL(GetFenceStatus)                             \
  CALL(QueueSubmit)                                \
  CALL(QueueWaitIdle)                              \
  CALL(DeviceWaitIdle)                             \
  CALL(CreateCommandPool)                          \
  CALL(DestroyCommandPool)                         \
  CALL(ResetCommandPool)                           \
  CALL(AllocateCommandBuffers)                     \
  CALL(FreeCommandBuffers)                         \
  CALL(BeginCommandBuffer)                         \
  CALL(ResetCommandBuffer)                         \
  CALL(CmdPipelineBarrier)                         \
  CALL(CmdCopyBuffer)                              \
  CALL(CmdFillBuffer)                              \
  CALL(CmdUpdateBuffer)                            \
  CALL(CmdDispatch)                                \
  CALL(CmdDispatchIndirect)                        \
  CALL(CmdBindPipeline)                            \
  CALL(CmdBindDescriptorSets)                      \
  CALL(CreateDescriptorPool)                       \
  CALL(DestroyDescriptorPool)                      \
  CALL(ResetDescriptorPool)                        \
  CALL(AllocateDescriptorSets)                     \
  CALL(FreeDescriptorSets)                         \
  CALL(UpdateDescriptorSets)                       \
  CALL(CreateDescriptorSetLayout)                  \
  CALL(DestroyDescriptorSetLayout)                 \
  CALL(CreatePipelineLayout)                       \
  CALL(DestroyPipelineLayout)                      \
  CALL(CreateShaderModule)                         \
  CALL(DestroyShaderModule)                        \
  CALL(CreatePipelineCache)                        \
  CALL(DestroyPipelineCache)                       \
  CALL(CreateComputePipelines)                     \
  CALL(DestroyPipeline)                            \
  CALL(CreateQueryPool)                            \
  CALL(DestroyQueryPool)                           \
  CALL(SetDebugUtilsObjectNameEXT)

/// Those of a device that go straight on.
#define HEADRACE_VULKAN_LAYER_PASSED_CALLS(CALL) \
  CALL(UnmapMemory)                              \
  CALL(FlushMappedMemoryRanges)                  \
  CALL(InvalidateMappedMemoryRanges)             \
  CALL(EndCommandBuffer)                         \
  CALL(ResetFences)                              \
  CALL(GetQueryPoolResults)                      \
  CALL(ResetQueryPool)                           \
  CALL(GetBufferDeviceAddress)                   \
  CALL(CmdPushConstants)                         \
  CALL(CmdResetQueryPool)                        \
  CALL(CmdWriteTimestamp)                        \
  CALL(CmdCopyQueryPoolResults)

#define HEADRACE_VULKAN_LAYER_DEVICE_CALLS(CALL) \
  HEADRACE_VULKAN_LAYER_FOLLOWED_CALLS(CALL)     \
  HEADRACE_VULKAN_LAYER_PASSED_CALLS(CALL)

namespace headrace::vulkan_layer {

#define HEADRACE_VULKAN_LAYER_MEMBER(name) PFN_vk##name name = nullptr;

/// What is below the layer.
struct InstanceCalls {
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  HEADRACE_VULKAN_LAYER_INSTANCE_CALLS(HEADRACE_VULKAN_LAYER_MEMBER)
};
struct DeviceCalls {
  PFN_vkGetDeviceProcAddr GetDeviceProcAddr = nullptr;
  HEADRACE_VULKAN_LAYER_DEVICE_CALLS(HEADRACE_VULKAN_LAYER_MEMBER)
};
#undef HEADRACE_VULKAN_LAYER_MEMBER

// layer_AllocateMemory and so on, with the types that Vulkan gives them. The lock is not held.
#define HEADRACE_VULKAN_LAYER_DECLARE(name) std::remove_pointer_t<PFN_vk##name> layer_##name;
HEADRACE_VULKAN_LAYER_DECLARE(CreateInstance)
HEADRACE_VULKAN_LAYER_DECLARE(CreateDevice)
HEADRACE_VULKAN_LAYER_INSTANCE_CALLS(HEADRACE_VULKAN_LAYER_DECLARE)
HEADRACE_VULKAN_LAYER_FOLLOWED_CALLS(HEADRACE_VULKAN_LAYER_DECLARE)
#undef HEADRACE_VULKAN_LAYER_DECLARE

}  // namespace headrace::vulkan_layer
