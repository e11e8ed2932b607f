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
  std::uint64_t resumed_samples = 0;  ///< Of these, packed by a run before.
  std::size_t files = 0;
  std::uint64_t bytes = 0;  ///< Of the files, headers included.
  std::uint64_t resumed_bytes = 0;
  double seconds = 0;  ///< Of this run.
};

}  // namespace headrace::cli
