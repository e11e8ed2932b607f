// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/in_flight.h"

#include <optional>
#include <string>

// Whether semaphores order what queues do with the same bytes: all submissions go to the driver's
// one queue, where it would go well without. The lock is held.

namespace headrace::vulkan_layer {

/// What is done before a new submission begins, of what the program does not know to be done: what
/// went to its queue, what it waits for, and what came before that. A wait is for the signal that
/// ends it, not for lower values that other submissions signal.
QueueClock clock_of(const InFlight& in_flight, const Submission& submission);

/// What a new submission does with bytes that another one may be using at the same time; nothing if
/// it does no such thing.
std::optional<std::string> unordered_use(const InFlight& in_flight, const Submission& submission);

}  // namespace headrace::vulkan_layer
