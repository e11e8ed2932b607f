// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace headrace::cuda {

/// Kernels as the compiler left them, for several architectures.
struct FatBinary {
  std::string_view name;
  const std::byte* code = nullptr;
};

/// Those that this library holds. The build writes the table.
std::span<const FatBinary> fat_binaries() noexcept;

}  // namespace headrace::cuda
