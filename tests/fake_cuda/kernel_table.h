// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fake_cuda/work.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

namespace headrace::fake_cuda {

/// What a kernel of the library's does, done by the host.
struct Kernel {
  std::size_t parameters = 0;
  /// Looks up the addresses of a launch. \returns What does the work with the lock not held; null
  /// when an address is bad, which is noted.
  std::function<std::function<void()>(const KernelLaunch&)> prepare;
};

/// The kernel `function` of the fat binary `module`.
std::optional<Kernel> find_kernel(std::string_view module, std::string_view function);

}  // namespace headrace::fake_cuda
