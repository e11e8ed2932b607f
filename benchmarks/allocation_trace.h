// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device_type.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <istream>
#include <string>
#include <vector>

namespace replay {

/// One line of a log.
struct Operation {
  bool is_take = false;    ///< Else a return.
  std::size_t buffer = 0;  ///< Number of the buffer: counted from 0 in the order of takes.
  std::size_t bytes = 0;   ///< Asked for.
  headrace::DeviceType kind = headrace::DeviceType::gpu;
  std::size_t stream = 0;  ///< Counted from 0 in the order of their first lines.
};

/// What an allocation log says, in its order. Format: docs/design/009-allocation-log.md.
struct AllocationTrace {
  std::string name;  ///< The file's, without folder and ending.
  std::vector<Operation> operations;
  std::size_t buffers = 0;  ///< Buffers that were taken.
  std::size_t streams = 0;
  std::size_t failures = 0;           ///< Takes that failed; none of them is an operation.
  std::uint64_t peak_live_bytes = 0;  ///< The most that was asked for and not yet returned.
};

/// Reads a log. \throws std::runtime_error  naming `name`, line and fault.
AllocationTrace read_trace(std::istream& from, const std::string& name);

/// The same, of a file.
AllocationTrace read_trace(const std::filesystem::path& path);

}  // namespace replay
