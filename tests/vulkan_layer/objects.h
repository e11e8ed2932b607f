// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/driver_queue.h"
#include "vulkan_layer/lock.h"

#include <string>

// What is alive of a device's, by kind.

namespace headrace::vulkan_layer {

template <class Handle>
void add_object(Device& device, Handle handle, const char* kind) {
  const std::scoped_lock held(lock());
  device.objects[number_of(handle)] = kind;
}

/// For a call that destroys an object: nothing may use it any more.
template <class Handle>
void remove_object(Device& device, Handle handle, const char* call) {
  if (handle == VK_NULL_HANDLE) {
    return;
  }
  std::string kind;
  {
    const std::scoped_lock held(lock());
    const auto found = device.objects.find(number_of(handle));
    if (found != device.objects.end()) {
      kind = found->second;
      device.objects.erase(found);
    }
  }
  if (kind.empty()) {
    violate(std::string(call) + ": there is no such object");
    return;
  }
  expect_unused(device, number_of(handle), call, kind.c_str());
}

/// How many objects of a kind are alive, of all devices; "device" is one.
int live_objects(const std::string& kind);

/// What is alive of a device's, as "2 buffer, 1 memory"; empty for nothing.
std::string live_objects_of(const Device& device);

}  // namespace headrace::vulkan_layer
