// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/event_pool.h"

#include <deque>
#include <mutex>

namespace headrace::cuda {

class Context;

/// A marker that is not known to be passed.
struct Marker {
  MarkerSerial serial = 0;
  EventHold event;
  std::uint64_t kept = 0;  ///< What the stream's keeper must have dropped as well.

  explicit operator bool() const noexcept { return static_cast<bool>(event); }
};

/// The markers of one stream, oldest first, until they are seen to be passed.
///
/// Threads: safe from any thread. The context is current.
class Markers {
 public:
  explicit Markers(Context& context) : context_(context) {}

  /// Notes a marker that was recorded, the highest so far.
  void add(Marker marker);

  /// The highest marker passed, asking the driver; `dropped` is how far the keeper is.
  /// \throws Error  `device_lost`.
  MarkerSerial completed(std::uint64_t dropped);

  /// Marker `serial`; one without an event when it is known to be passed.
  [[nodiscard]] Marker find(MarkerSerial serial) const;

 private:
  [[nodiscard]] Marker front() const;
  void pass(MarkerSerial serial);

  Context& context_;
  mutable std::mutex mutex_;
  std::deque<Marker> pending_;  // guarded by mutex_
  MarkerSerial completed_ = 0;  // guarded by mutex_
};

}  // namespace headrace::cuda
