// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace headrace::cli {

/// What `headrace pack` did.
struct PackReport {
  std::string source;
  std::string target;
  std::string format;  ///< "npy" or "tar".
  std::uint64_t samples = 0;
  std::size_t files = 0;
  std::uint64_t bytes = 0;  ///< Written, headers included.
  double seconds = 0;
};

}  // namespace headrace::cli
