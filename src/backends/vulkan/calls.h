// SPDX-License-Identifier: Apache-2.0
/// \file
/// The calls of Vulkan that this backend makes, by what they are found with. Adding one here is all
/// it takes to use it.
#pragma once

#define VK_NO_PROTOTYPES  // NOLINT(readability-identifier-naming): a switch of that header
#include <vulkan/vulkan.h>

// clang-format off
#define HEADRACE_VULKAN_LOADER_CALLS(each)     \
  each(vkEnumerateInstanceVersion)             \
  each(vkEnumerateInstanceExtensionProperties) \
  each(vkCreateInstance)

#define HEADRACE_VULKAN_INSTANCE_CALLS(each)        \
  each(vkDestroyInstance)                           \
  each(vkEnumeratePhysicalDevices)                  \
  each(vkGetPhysicalDeviceProperties)               \
  each(vkGetPhysicalDeviceProperties2)              \
  each(vkGetPhysicalDeviceFeatures2)                \
  each(vkGetPhysicalDeviceMemoryProperties2)        \
  each(vkGetPhysicalDeviceQueueFamilyProperties)    \
  each(vkEnumerateDeviceExtensionProperties)        \
  each(vkCreateDevice)                              \
  each(vkGetDeviceProcAddr)                         \
  each(vkGetPhysicalDeviceExternalBufferProperties)

#define HEADRACE_VULKAN_DEVICE_CALLS(each) \
  each(vkDestroyDevice)                    \
  each(vkGetDeviceQueue)                   \
  each(vkQueueSubmit)                      \
  each(vkAllocateMemory)                   \
  each(vkFreeMemory)                       \
  each(vkMapMemory)                        \
  each(vkCreateBuffer)                     \
  each(vkDestroyBuffer)                    \
  each(vkGetBufferMemoryRequirements)      \
  each(vkBindBufferMemory)                 \
  each(vkCreateSemaphore)                  \
  each(vkDestroySemaphore)                 \
  each(vkGetSemaphoreCounterValue)         \
  each(vkWaitSemaphores)                   \
  each(vkCreateCommandPool)                \
  each(vkDestroyCommandPool)               \
  each(vkResetCommandPool)                 \
  each(vkAllocateCommandBuffers)           \
  each(vkBeginCommandBuffer)               \
  each(vkEndCommandBuffer)                 \
  each(vkCreateDescriptorSetLayout)        \
  each(vkDestroyDescriptorSetLayout)       \
  each(vkCreateDescriptorPool)             \
  each(vkDestroyDescriptorPool)            \
  each(vkResetDescriptorPool)              \
  each(vkAllocateDescriptorSets)           \
  each(vkUpdateDescriptorSets)             \
  each(vkCreatePipelineLayout)             \
  each(vkDestroyPipelineLayout)            \
  each(vkCreateShaderModule)               \
  each(vkDestroyShaderModule)              \
  each(vkCreateComputePipelines)           \
  each(vkDestroyPipeline)                  \
  each(vkCreateQueryPool)                  \
  each(vkDestroyQueryPool)                 \
  each(vkGetQueryPoolResults)              \
  each(vkCmdResetQueryPool)                \
  each(vkCmdWriteTimestamp)                \
  each(vkCmdPipelineBarrier)               \
  each(vkCmdCopyBuffer)                    \
  each(vkCmdFillBuffer)                    \
  each(vkCmdUpdateBuffer)                  \
  each(vkCmdBindPipeline)                  \
  each(vkCmdBindDescriptorSets)            \
  each(vkCmdPushConstants)                 \
  each(vkCmdDispatch)

/// Of extensions: null where the device does not have theirs.
#define HEADRACE_VULKAN_OPTIONAL_CALLS(each) \
  each(vkGetMemoryHostPointerPropertiesEXT)
// clang-format on
