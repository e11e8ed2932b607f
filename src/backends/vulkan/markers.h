// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace headrace::vulkan {

/// A marker that is not known to be passed.
struct Marker {
  MarkerSerial serial = 0;
  std::uint64_t value = 0;  ///< What the stream's timeline has reached then.
  std::uint64_t kept = 0;   ///< What the stream's keeper must have dropped as well.
};

/// The markers of one stream, oldest first, until they are seen to be passed.
///
/// Threads: safe from any thread.
class Markers {
 public:
  /// Notes a marker, the highest so far.
  void add(const Marker& marker);
  /// The highest marker passed, as the timeline and the keeper are so far.
  MarkerSerial pass(std::uint64_t reached, std::uint64_t dropped);
  /// Marker `serial`, or nothing when it is known to be passed.
  [[nodiscard]] std::optional<Marker> find(MarkerSerial serial) const;

 private:
  mutable std::mutex mutex_;
  std::deque<Marker> pending_;  // guarded by mutex_
  MarkerSerial passed_ = 0;     // guarded by mutex_
};

}  // namespace headrace::vulkan
