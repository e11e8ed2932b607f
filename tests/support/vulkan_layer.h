// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <dlfcn.h>
#include <string>
#include <vector>

// How tests steer the Vulkan layer VK_LAYER_HEADRACE_test, which lies in a library of its own.
// Results are Vulkan's, as numbers, so that a test needs no header of Vulkan's. What the device is
// like, tests/vulkan_layer/settings.h says.

namespace headrace::vulkan_layer {

/// What tests may ask of the layer. Calls go by their names in Vulkan's core, as "vkQueueSubmit".
/// Threads: safe from any thread; no device may be destroyed meanwhile.
struct Control {
  /// Lets the `nth` call of `name` from now on, 1 for the next, return `result` and do nothing.
  void (*fail)(const std::string& name, int nth, int result);
  /// Whether a call that was to fail did so on the calling thread since the last reset.
  bool (*failed_here)();
  /// Undoes `fail`, and counts calls from 0 again.
  void (*reset)();
  /// Calls of `name` since the last reset.
  int (*calls)(const std::string& name);
  /// Names of all calls made since the last reset that may fail, in the order of the first of each.
  std::vector<std::string> (*called)();

  /// Loses every device that is there: each call of it that can say so does, waits end with that.
  /// What is destroyed afterwards waits for what the driver is still doing.
  void (*lose)();
  /// What is submitted from now on is accepted and does not begin; everything else goes on.
  void (*hold)();
  /// Lets what was held back begin, and holds nothing back any more.
  void (*release)();
  /// Bytes that a heap, 0 the device's and 1 the host's, gives out at the most from now on; the
  /// budget is as much. SIZE_MAX for as many as it has.
  void (*limit_heap)(int heap, std::size_t bytes);

  /// Objects alive: "device", "memory", "buffer", "semaphore", "fence", "command pool",
  /// "descriptor pool", "descriptor set layout", "pipeline", "pipeline layout", "pipeline cache",
  /// "shader module", "query pool".
  int (*live)(const std::string& kind);
  /// What was done that no program may do, as far as this layer sees it. Forgets it.
  std::vector<std::string> (*take_violations)();
};

/// The control of the layer, or null when no instance was ever made with it in this process.
inline const Control* control() {
  void* library = dlopen("libVkLayer_headrace_test.so", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) {
    return nullptr;
  }
  using Get = const Control* (*)();
  const auto get = reinterpret_cast<Get>(dlsym(library, "vulkan_layer_control"));
  dlclose(library);  // It stays, also when whoever loaded it is done with it.
  return get == nullptr ? nullptr : get();
}

}  // namespace headrace::vulkan_layer
