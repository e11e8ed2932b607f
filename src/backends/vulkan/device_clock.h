// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/trace.h"

#include <cstdint>
#include <mutex>

namespace headrace::vulkan {

class Context;

/// Says when, by the host's clock, the device noted a time.
///
/// Threads: safe from any thread; it may wait for the device.
class DeviceClock {
 public:
  explicit DeviceClock(Context& context) : context_(context) {}

  /// When a compute queue's timestamp was `ticks`. \throws Error  as the device says.
  Trace::Clock::time_point time_of(std::uint64_t ticks);

 private:
  /// A timestamp, and when the host's clock says it was.
  struct Anchor {
    std::uint64_t ticks = 0;
    Trace::Clock::time_point time = {};
  };
  Anchor drop_anchor();

  Context& context_;
  std::mutex mutex_;
  Anchor anchor_;  // guarded by mutex_
};

}  // namespace headrace::vulkan
