// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/native_handle.h"

#include <dlfcn.h>
#include <stdexcept>

namespace headrace::test {

/// Lets a CUDA stream, or what is recorded from one, call `function` with `data` in its turn. The
/// driver is the one that is loaded; no header of CUDA's is needed.
inline void launch_host_function(NativeHandle stream, void (*function)(void*), void* data) {
  using Launch = int (*)(void* stream, void (*function)(void*), void* data);
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  const auto launch =
      driver == nullptr ? nullptr : reinterpret_cast<Launch>(dlsym(driver, "cuLaunchHostFunc"));
  if (launch == nullptr || launch(stream.as_pointer<void>(), function, data) != 0) {
    throw std::runtime_error("the CUDA driver launched no function of the host's");
  }
  dlclose(driver);  // Whoever loaded it keeps it.
}

}  // namespace headrace::test
