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
  const std::scoped_lock lock(mutex_);
  while (!pending_.empty() && pending_.front().kept <= dropped) {
    const CUresult result = context_.driver().cuEventQuery(pending_.front().event.handle());
    if (result == CUDA_ERROR_NOT_READY) {
      break;
    }
    context_.check(result, "cuEventQuery");
    completed_ = pending_.front().serial;
    pending_.pop_front();
  }
  return completed_;
}

Marker Markers::find(MarkerSerial serial) const {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::lower_bound(pending_, serial, {}, &Marker::serial);
  return found == pending_.end() ? Marker() : *found;
}

}  // namespace headrace::cuda
