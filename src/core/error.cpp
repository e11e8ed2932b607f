// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

namespace headrace {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::capacity:
      return "capacity";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::device_lost:
      return "device_lost";
    case ErrorCode::io:
      return "io";
    case ErrorCode::corrupt_data:
      return "corrupt_data";
    case ErrorCode::stopped:
      return "stopped";
    case ErrorCode::internal:
      return "internal";
  }
  return "unknown";
}

Error::Error(ErrorCode code, const std::string& message)
    : std::runtime_error(message), code_(code) {}

// The key function: defined here alone, so that every shared library sees one type to catch.
Error::~Error() = default;

}  // namespace headrace
