// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/driver.h"

#include <map>
#include <memory>
#include <mutex>

namespace headrace::cuda {

class Context;

/// What expansions multiply by and add, in device memory: once for each ExpandSpec that is in use.
///
/// Threads: safe from any thread. The context is current.
class Coefficients {
 public:
  explicit Coefficients(Context& context) : context_(context) {}
  Coefficients(const Coefficients&) = delete;
  Coefficients& operator=(const Coefficients&) = delete;
  ~Coefficients();

  /// Where the scales of `spec` are, and its biases behind them, one a channel; ones and zeros for
  /// a spec that has none. They stay there
  /// while the spec lives and until a later spec is seen. Waits for a copy the first time.
  CUdeviceptr of(const std::shared_ptr<const ExpandSpec>& spec);

 private:
  struct Entry {
    std::weak_ptr<const ExpandSpec> spec;
    CUdeviceptr memory = 0;
  };
  CUdeviceptr upload(const ExpandSpec& spec);
  void drop_unused() noexcept;

  Context& context_;
  std::mutex mutex_;
  std::map<const ExpandSpec*, Entry> entries_;  // guarded by mutex_
};

}  // namespace headrace::cuda
