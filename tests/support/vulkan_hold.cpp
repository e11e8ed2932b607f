// SPDX-License-Identifier: Apache-2.0
#include "support/vulkan_hold.h"

#include "support/vulkan_layer.h"

#include <stdexcept>

#if __has_include(<vulkan/vulkan.h>)
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <cstdint>
#include <dlfcn.h>
#include <string>

namespace headrace::test {

namespace {

void require(bool is_so, const char* what) {
  if (!is_so) {
    throw std::runtime_error(std::string("the test could not hold a Vulkan queue: ") + what);
  }
}

/// A call of the loader's, which whoever opened the device has loaded.
template <class Call>
Call find(const char* name) {
  void* loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_NOLOAD);
  require(loader != nullptr, "no loader");
  const auto call = reinterpret_cast<Call>(dlsym(loader, name));
  dlclose(loader);
  require(call != nullptr, name);
  return call;
}

}  // namespace

std::function<void()> hold_vulkan_queue(NativeHandle device, NativeHandle queue) {
  // All queues are one there, and nothing may wait in it for what is to come.
  if (const vulkan_layer::Control* layer = vulkan_layer::control()) {
    layer->hold();
    return layer->release;
  }
  auto* const vulkan = device.as_pointer<VkDevice_T>();
  const VkSemaphoreTypeCreateInfo type{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                       .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
  const VkSemaphoreCreateInfo info{.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                   .pNext = &type};
  VkSemaphore opened = VK_NULL_HANDLE;
  require(find<PFN_vkCreateSemaphore>("vkCreateSemaphore")(vulkan, &info, nullptr, &opened) ==
              VK_SUCCESS,
          "vkCreateSemaphore");
  const std::uint64_t one = 1;
  const VkTimelineSemaphoreSubmitInfo values{
      .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
      .waitSemaphoreValueCount = 1,
      .pWaitSemaphoreValues = &one};
  const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
  const VkSubmitInfo submit{.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                            .pNext = &values,
                            .waitSemaphoreCount = 1,
                            .pWaitSemaphores = &opened,
                            .pWaitDstStageMask = &stage};
  require(find<PFN_vkQueueSubmit>("vkQueueSubmit")(
              queue.as_pointer<VkQueue_T>(), 1, &submit, VK_NULL_HANDLE) == VK_SUCCESS,
          "vkQueueSubmit");
  // The semaphore stays, for nobody tells when the queue has done with it.
  return [vulkan, opened] {
    const VkSemaphoreSignalInfo signal{
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = opened, .value = 1};
    require(find<PFN_vkSignalSemaphore>("vkSignalSemaphore")(vulkan, &signal) == VK_SUCCESS,
            "vkSignalSemaphore");
  };
}

}  // namespace headrace::test

#else

namespace headrace::test {

std::function<void()> hold_vulkan_queue(NativeHandle /*device*/, NativeHandle /*queue*/) {
  throw std::logic_error("these tests were built without Vulkan's headers");
}

}  // namespace headrace::test

#endif
