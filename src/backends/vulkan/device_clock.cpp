// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/device_clock.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/once.h"

#include <chrono>

namespace headrace::vulkan {

namespace {

/// Two clocks drift apart by some parts in a million: compared so often, by less than a
/// microsecond or two.
constexpr std::chrono::milliseconds kAnchorAge(500);

}  // namespace

Trace::Clock::time_point DeviceClock::time_of(std::uint64_t ticks) {
  const std::scoped_lock lock(mutex_);
  if (anchor_.time == Trace::Clock::time_point() ||
      Trace::Clock::now() - anchor_.time > kAnchorAge) {
    anchor_ = drop_anchor();
  }
  // Timestamps may have fewer bits than 64, and begin again: the difference is a small number.
  const std::uint32_t unused = 64 - context_.facts().compute.timestamp_bits;
  const auto since = static_cast<std::int64_t>((ticks - anchor_.ticks) << unused) >> unused;
  return anchor_.time + std::chrono::duration_cast<Trace::Clock::duration>(
                            std::chrono::duration<double, std::nano>(
                                static_cast<double>(since) * context_.facts().nanoseconds_a_tick));
}

DeviceClock::Anchor DeviceClock::drop_anchor() {
  Once once(context_, 1);
  once.recording().mark_time();
  once.run();
  const Trace::Clock::time_point now = Trace::Clock::now();
  return {once.recording().times().front(), now};
}

}  // namespace headrace::vulkan
