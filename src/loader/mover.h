// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/stream.h"

#include "core/timeline.h"
#include "loader/slot.h"

namespace headrace::loader {

/// Sends filled slots to the device: one packed copy and one expansion, as one submission on a
/// stream of its own, which waits on the device for the slot's last consumer. The host never waits.
///
/// Threads: one call at a time; the engine sees to it.
class Mover {
 public:
  explicit Mover(const Device& device);

  /// Issues the work that makes `slot` ready. \returns Bytes that go to device memory.
  std::size_t ship(Slot& slot);

 private:
  Stream stream_;
};

}  // namespace headrace::loader
