// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/stream.h"
#include "headrace/trace.h"

#include "core/timeline.h"
#include "loader/slot.h"

#include <memory>

namespace headrace::loader {

/// Sends filled slots to the device: one packed copy and one expansion, as one submission on a
/// stream of its own, which waits on the device for the slot's last consumer. The host never waits.
///
/// Threads: one call at a time; the engine sees to it.
class Mover {
 public:
  /// \param trace  Where the work is recorded; null for nowhere.
  Mover(const Device& device, std::shared_ptr<Trace> trace);

  /// Issues the work that makes `slot` ready. \returns Bytes that go to device memory.
  std::size_t ship(Slot& slot);

 private:
  const Stream stream_;
  const std::shared_ptr<Trace> trace_;
};

}  // namespace headrace::loader
