// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/api.h"

#include <string>
#include <string_view>
#include <vector>

// These take the lock themselves.

namespace headrace::vulkan_layer {

/// Counts a call. \returns The result that a test wants it to fail with, or success.
VkResult count_call(std::string_view name, bool has_result);

void fail_call(const std::string& name, int nth, int result);
bool has_failed_here();
void reset_calls();
int calls_made(const std::string& name);
std::vector<std::string> names_of_calls_made();
std::vector<std::string> take_violations();

}  // namespace headrace::vulkan_layer
