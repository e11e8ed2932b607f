// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/native_handle.h"

#include <functional>

namespace headrace::test {

/// Has a Vulkan queue do nothing of what it is given later, until the function that is returned is
/// called.
std::function<void()> hold_vulkan_queue(NativeHandle device, NativeHandle queue);

}  // namespace headrace::test
