// SPDX-License-Identifier: Apache-2.0
// What the layer shows to the loader: each call by its name, with what all calls have in common.
#include "vulkan_layer/entries.h"

#include "vulkan_layer/calls.h"
#include "vulkan_layer/calls_made.h"
#include "vulkan_layer/device.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

namespace headrace::vulkan_layer {

namespace {

#define HEADRACE_VULKAN_LAYER_OWN_CALLS(CALL) \
  CALL(CreateInstance)                        \
  CALL(CreateDevice)                          \
  HEADRACE_VULKAN_LAYER_INSTANCE_CALLS(CALL)  \
  HEADRACE_VULKAN_LAYER_FOLLOWED_CALLS(CALL)

enum class Call : std::size_t {
#define HEADRACE_VULKAN_LAYER_INDEX(name) index_of_##name,
  HEADRACE_VULKAN_LAYER_OWN_CALLS(HEADRACE_VULKAN_LAYER_INDEX)
      HEADRACE_VULKAN_LAYER_PASSED_CALLS(HEADRACE_VULKAN_LAYER_INDEX)
#undef HEADRACE_VULKAN_LAYER_INDEX
};

constexpr std::array kNames{
#define HEADRACE_VULKAN_LAYER_NAME(name) std::string_view("vk" #name),
    HEADRACE_VULKAN_LAYER_OWN_CALLS(HEADRACE_VULKAN_LAYER_NAME)
        HEADRACE_VULKAN_LAYER_PASSED_CALLS(HEADRACE_VULKAN_LAYER_NAME)
#undef HEADRACE_VULKAN_LAYER_NAME
};

/// Those that may say that the device is lost.
constexpr std::array kLosing{
    std::string_view("vkQueueSubmit"),
    std::string_view("vkQueueWaitIdle"),
    std::string_view("vkDeviceWaitIdle"),
    std::string_view("vkWaitSemaphores"),
    std::string_view("vkGetSemaphoreCounterValue"),
    std::string_view("vkWaitForFences"),
    std::string_view("vkGetFenceStatus"),
    std::string_view("vkGetQueryPoolResults"),
};

constexpr bool may_lose(std::string_view name) {
  return std::ranges::find(kLosing, name) != kLosing.end();
}

template <class Handle>
bool is_lost(Handle handle) {
  return device_of(handle).is_lost;
}

/// A call that fails leaves no handles behind: vkCreateComputePipelines and those that allocate
/// several objects have to say so.
void leave_nothing(VkDevice /*device*/,
                   VkPipelineCache /*cache*/,
                   std::uint32_t count,
                   const VkComputePipelineCreateInfo* /*infos*/,
                   const VkAllocationCallbacks* /*allocator*/,
                   VkPipeline* made) {
  std::fill_n(made, count, VkPipeline{});
}
void leave_nothing(VkDevice /*device*/,
                   const VkCommandBufferAllocateInfo* info,
                   VkCommandBuffer* made) {
  std::fill_n(made, info->commandBufferCount, VkCommandBuffer{});
}
void leave_nothing(VkDevice /*device*/,
                   const VkDescriptorSetAllocateInfo* info,
                   VkDescriptorSet* made) {
  std::fill_n(made, info->descriptorSetCount, VkDescriptorSet{});
}

template <Call Index, auto Function>
struct Entry;

template <Call Index, class Result, class... Arguments, Result (*Function)(Arguments...)>
struct Entry<Index, Function> {
  static Result call(Arguments... arguments) {
    constexpr std::string_view kName = kNames[static_cast<std::size_t>(Index)];
    const VkResult failure = count_call(kName, std::is_same_v<Result, VkResult>);
    if constexpr (std::is_same_v<Result, VkResult>) {
      if (failure != VK_SUCCESS) {
        if constexpr (requires { leave_nothing(arguments...); }) {
          leave_nothing(arguments...);
        }
        return failure;
      }
      if constexpr (may_lose(kName)) {
        if (is_lost(std::get<0>(std::tie(arguments...)))) {
          return VK_ERROR_DEVICE_LOST;
        }
      }
    }
    return Function(arguments...);
  }
};

/// A call that goes straight on.
template <auto Member>
struct Passed;

template <class Result,
          class Handle,
          class... Rest,
          Result (*DeviceCalls::*Member)(Handle, Rest...)>
struct Passed<Member> {
  static Result call(Handle handle, Rest... rest) {
    return (device_of(handle).next.*Member)(handle, rest...);
  }
};

struct Known {
  std::string_view name;
  PFN_vkVoidFunction call;
};

template <Call Index, auto Function>
PFN_vkVoidFunction entry() {
  return reinterpret_cast<PFN_vkVoidFunction>(&Entry<Index, Function>::call);
}

#define HEADRACE_VULKAN_LAYER_OWN(name) \
  Known{"vk" #name, entry<Call::index_of_##name, &layer_##name>()},
#define HEADRACE_VULKAN_LAYER_PASSED(name) \
  Known{"vk" #name, entry<Call::index_of_##name, &Passed<&DeviceCalls::name>::call>()},

const auto& instance_calls() {
  static const std::array kAll{
      HEADRACE_VULKAN_LAYER_OWN(CreateInstance) HEADRACE_VULKAN_LAYER_OWN(CreateDevice)
          HEADRACE_VULKAN_LAYER_INSTANCE_CALLS(HEADRACE_VULKAN_LAYER_OWN) Known{
              "vkGetInstanceProcAddr", reinterpret_cast<PFN_vkVoidFunction>(&find_instance_call)},
  };
  return kAll;
}

const auto& device_calls() {
  static const std::array kAll{
      HEADRACE_VULKAN_LAYER_FOLLOWED_CALLS(HEADRACE_VULKAN_LAYER_OWN)
          HEADRACE_VULKAN_LAYER_PASSED_CALLS(HEADRACE_VULKAN_LAYER_PASSED)
              Known{"vkGetDeviceProcAddr", reinterpret_cast<PFN_vkVoidFunction>(&find_device_call)},
  };
  return kAll;
}
#undef HEADRACE_VULKAN_LAYER_PASSED
#undef HEADRACE_VULKAN_LAYER_OWN

/// A call of the core goes by its name of the extension too that it was before.
template <class Calls>
PFN_vkVoidFunction find(const Calls& calls, std::string_view name) {
  const std::string_view core = name.ends_with("KHR") ? name.substr(0, name.size() - 3) : name;
  const auto found = std::ranges::find_if(
      calls, [&](const Known& each) { return each.name == name || each.name == core; });
  return found == calls.end() ? nullptr : found->call;
}

/// Calls with a queue, or with families, that would reach the driver past the layer.
bool is_not_followed(std::string_view name) {
  return name.starts_with("vkQueue") || name.starts_with("vkCmdPipelineBarrier2") ||
         name.starts_with("vkCmdWaitEvents") || name.starts_with("vkCmdCopyBuffer2") ||
         name.starts_with("vkCmdExecuteCommands") || name.starts_with("vkCmdPushDescriptorSet");
}

}  // namespace

PFN_vkVoidFunction find_device_call(VkDevice device, const char* name) {
  const PFN_vkVoidFunction below = device_of(device).next.GetDeviceProcAddr(device, name);
  const PFN_vkVoidFunction own = find(device_calls(), name);
  if (own != nullptr) {
    return below == nullptr ? nullptr : own;  // Of an extension that was not enabled.
  }
  return is_not_followed(name) ? nullptr : below;
}

PFN_vkVoidFunction find_instance_call(VkInstance instance, const char* name) {
  if (const PFN_vkVoidFunction own = find(instance_calls(), name); own != nullptr) {
    return own;
  }
  if (const PFN_vkVoidFunction own = find(device_calls(), name); own != nullptr) {
    return own;
  }
  if (instance == VK_NULL_HANDLE || is_not_followed(name)) {
    return nullptr;
  }
  return instance_of(instance).next.GetInstanceProcAddr(instance, name);
}

}  // namespace headrace::vulkan_layer

extern "C" __attribute__((visibility("default"))) VkResult vkNegotiateLoaderLayerInterfaceVersion(
    VkNegotiateLayerInterface* version) {
  namespace layer = headrace::vulkan_layer;
  if (version->loaderLayerInterfaceVersion < 2) {
    return VK_ERROR_INITIALIZATION_FAILED;
  }
  version->loaderLayerInterfaceVersion = 2;
  version->pfnGetInstanceProcAddr = &layer::find_instance_call;
  version->pfnGetDeviceProcAddr = &layer::find_device_call;
  version->pfnGetPhysicalDeviceProcAddr = nullptr;
  return VK_SUCCESS;
}
