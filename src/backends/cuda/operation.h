// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/driver.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <variant>

namespace headrace::cuda {

class Context;

/// Copies `bytes` bytes between addresses of the unified address space.
struct CopyOperation {
  CUdeviceptr to = 0;
  CUdeviceptr from = 0;
  std::size_t bytes = 0;
  bool is_to_host = false;  ///< The address is page-locked memory of the host's.
  bool is_from_host = false;
  Context* peer = nullptr;  ///< Whose one of the places is, when it is another device's.
  friend bool operator==(const CopyOperation&, const CopyOperation&) = default;
};

/// Writes an element of 1, 2 or 4 bytes `count` times.
struct FillOperation {
  CUdeviceptr to = 0;
  unsigned value = 0;
  unsigned element_bytes = 1;
  std::size_t count = 0;
  bool is_to_host = false;
  friend bool operator==(const FillOperation&, const FillOperation&) = default;
};

/// Launches a kernel of one-dimensional blocks, all of whose parameters have 64 bits.
struct KernelOperation {
  static constexpr std::size_t kMostArguments = 9;

  CUfunction function = nullptr;
  unsigned blocks = 1;
  unsigned threads = 1;
  std::array<std::uint64_t, kMostArguments> arguments{};
  friend bool operator==(const KernelOperation&, const KernelOperation&) = default;
};

/// A command as the driver takes it: plain data, so that it can be compared with an earlier one.
using Operation = std::variant<CopyOperation, FillOperation, KernelOperation>;

/// Issues an operation to `stream`. The context is current.
void issue(const Operation& operation, Context& context, CUstream stream);

/// The kernel's arguments as the driver takes them: an address for each.
std::array<void*, KernelOperation::kMostArguments> addresses_of(KernelOperation& kernel) noexcept;

}  // namespace headrace::cuda
