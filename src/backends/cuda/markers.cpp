// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/markers.h"

#include "backends/cuda/context.h"

#include <algorithm>
#include <utility>

namespace headrace::cuda {

void Markers::add(Marker marker) {
  const std::scoped_lock lock(mutex_);
  pending_.push_back(std::move(marker));
}

MarkerSerial Markers::completed(std::uint64_t dropped) {
  while (const Marker oldest = front()) {
    // Not under the lock: while others ask the driver, an answer may take 40 us.
    const CUresult result = oldest.kept <= dropped
                                ? context_.driver().cuEventQuery(oldest.event.handle())
                                : CUDA_ERROR_NOT_READY;
    if (result == CUDA_ERROR_NOT_READY) {
      break;
    }
    context_.check(result, "cuEventQuery");
    pass(oldest.serial);
  }
  const std::scoped_lock lock(mutex_);
  return completed_;
}

Marker Markers::front() const {
  const std::scoped_lock lock(mutex_);
  return pending_.empty() ? Marker() : pending_.front();
}

void Markers::pass(MarkerSerial serial) {
  const std::scoped_lock lock(mutex_);
  while (!pending_.empty() && pending_.front().serial <= serial) {
    pending_.pop_front();
  }
  completed_ = std::max(completed_, serial);
}

Marker Markers::find(MarkerSerial serial) const {
  const std::scoped_lock lock(mutex_);
  if (serial <= completed_) {
    return {};  // Those that are pending are later ones.
  }
  const auto found = std::ranges::lower_bound(pending_, serial, {}, &Marker::serial);
  return found == pending_.end() ? Marker() : *found;
}

}  // namespace headrace::cuda
