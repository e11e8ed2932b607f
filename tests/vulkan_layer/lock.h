// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>

namespace headrace::vulkan_layer {

/// Guards everything that the layer remembers. Not held during calls of the driver, so that a call
/// that waits keeps nobody out. A device's `submitting` is taken before it.
std::mutex& lock();

/// Notes that something was done that no program may do, or that this layer does not follow. Takes
/// the lock.
void violate(std::string what);

}  // namespace headrace::vulkan_layer
