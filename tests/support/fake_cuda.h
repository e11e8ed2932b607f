// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <dlfcn.h>
#include <string>
#include <vector>

// How tests steer the fake CUDA driver, which lies in a library of its own. Results are those of
// the driver, as numbers, so that a test needs no header of CUDA's.

namespace headrace::fake_cuda {

/// What tests may ask of the driver. Threads: safe from any thread.
struct Control {
  /// Lets the `nth` call of `name` from now on, 1 for the next, return `result` and do nothing.
  void (*fail)(const std::string& name, int nth, int result);
  /// Whether a call that was to fail did so on the calling thread since the last reset.
  bool (*failed_here)();
  /// Lets `cuGetProcAddress` know no call of this name.
  void (*hide)(const std::string& name);
  /// Undoes `fail` and `hide`, and counts calls from 0 again.
  void (*reset)();
  /// Calls of `name` since the last reset.
  int (*calls)(const std::string& name);
  /// Names of all calls made since the last reset, in the order of the first of each.
  std::vector<std::string> (*called)();

  /// Breaks the context of a device: its work never ends, its calls fail.
  void (*lose)(int device);
  /// Whether devices have a direct way to one another's memory; they do at first.
  void (*set_peer_access)(bool is_there);
  /// The compute capability that a device says it has: 9.0 until then.
  void (*set_capability)(int device, int major, int minor);
  /// Bytes that a device, or for -1 the host as page-locked memory, gives out at the most.
  void (*limit_memory)(int device, std::size_t bytes);

  /// In manual mode work runs only by `run`.
  void (*set_manual)(bool is_manual);
  /// Runs up to `count` pieces of work, of streams picked at random. \returns How many there were.
  int (*run)(int count);
  /// From here on the order of work between streams follows from `seed`, as far as it is known.
  void (*set_seed)(std::uint64_t seed);
  /// Pieces of work not done yet.
  int (*pending)();

  /// Objects alive: "memory", "host memory", "registered memory", "stream", "event", "graph",
  /// "graph exec", "module", "context".
  int (*live)(const std::string& kind);
  /// What was done that a real driver may crash on or answer with wrong data. Forgets it.
  std::vector<std::string> (*take_violations)();
};

/// The control of the fake, or null when no driver is loaded or it is a real one.
inline const Control* control() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) {
    return nullptr;
  }
  using Get = const Control* (*)();
  const auto get = reinterpret_cast<Get>(dlsym(library, "fake_cuda_control"));
  dlclose(library);  // Whoever loaded it keeps it.
  return get == nullptr ? nullptr : get();
}

}  // namespace headrace::fake_cuda
