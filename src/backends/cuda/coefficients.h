// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/driver.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace headrace::cuda {

class Context;

/// What expansions multiply by and add, in device memory: once for all specs with the same bits.
/// Kept as long as the context, for giving it back would wait for all work of the device; programs
/// have few of them.
///
/// Threads: safe from any thread. The context is current.
class Coefficients {
 public:
  explicit Coefficients(Context& context) : context_(context) {}
  Coefficients(const Coefficients&) = delete;
  Coefficients& operator=(const Coefficients&) = delete;
  ~Coefficients();

  /// Where the scales of `spec` are, and its biases behind them, one a channel; ones and zeros for
  /// a spec that has none. Waits for a copy the first time.
  CUdeviceptr of(const std::shared_ptr<const ExpandSpec>& spec);

 private:
  struct Known {
    std::weak_ptr<const ExpandSpec> spec;
    CUdeviceptr memory = 0;
  };
  CUdeviceptr memory_of(const ExpandSpec& spec);
  CUdeviceptr upload(const std::vector<std::uint32_t>& bits);

  Context& context_;
  std::mutex mutex_;
  std::map<std::vector<std::uint32_t>, CUdeviceptr> memory_;  // guarded by mutex_; by bits
  std::map<const ExpandSpec*, Known> known_;                  // guarded by mutex_; those in use
};

}  // namespace headrace::cuda
