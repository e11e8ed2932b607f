// SPDX-License-Identifier: Apache-2.0
#include "support/vulkan_layer.h"
#include "vulkan_layer/calls_made.h"
#include "vulkan_layer/driver_queue.h"
#include "vulkan_layer/heaps.h"
#include "vulkan_layer/objects.h"

namespace headrace::vulkan_layer {

namespace {

constexpr Control kControl{
    .fail = &fail_call,
    .failed_here = &has_failed_here,
    .reset = &reset_calls,
    .calls = &calls_made,
    .called = &names_of_calls_made,
    .lose = &lose,
    .hold = &hold,
    .release = &release,
    .limit_heap = &limit_heap,
    .live = &live_objects,
    .take_violations = &take_violations,
};

}  // namespace

}  // namespace headrace::vulkan_layer

extern "C" __attribute__((visibility("default"))) const headrace::vulkan_layer::Control*
vulkan_layer_control();

const headrace::vulkan_layer::Control* vulkan_layer_control() {
  return &headrace::vulkan_layer::kControl;
}
