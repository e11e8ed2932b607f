// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/vulkan/operation.h"

#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace headrace::vulkan {

class Context;

/// What expansions multiply by and add, in device memory: once for all specs with the same numbers.
/// Kept as long as the device is open; programs have few of them.
///
/// Threads: safe from any thread.
class Coefficients {
 public:
  explicit Coefficients(Context& context) : context_(context) {}
  Coefficients(const Coefficients&) = delete;
  Coefficients& operator=(const Coefficients&) = delete;
  ~Coefficients();

  /// Where the scales of `spec` are, and its biases behind them, one a channel; ones and zeros for
  /// a spec that has none. Waits for a copy the first time. \throws Error  `out_of_memory`;
  /// `device_lost`.
  Range of(const ExpandSpec& spec);

 private:
  MemoryBlock upload(const std::vector<float>& values);

  Context& context_;
  std::mutex mutex_;
  std::map<std::vector<float>, MemoryBlock> memory_;  // guarded by mutex_
};

}  // namespace headrace::vulkan
