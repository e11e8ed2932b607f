// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/markers.h"

#include <algorithm>

namespace headrace::vulkan {

void Markers::add(const Marker& marker) {
  const std::scoped_lock lock(mutex_);
  pending_.push_back(marker);
}

MarkerSerial Markers::pass(std::uint64_t reached, std::uint64_t dropped) {
  const std::scoped_lock lock(mutex_);
  while (!pending_.empty() && pending_.front().value <= reached &&
         pending_.front().kept <= dropped) {
    passed_ = pending_.front().serial;
    pending_.pop_front();
  }
  return passed_;
}

std::optional<Marker> Markers::find(MarkerSerial serial) const {
  const std::scoped_lock lock(mutex_);
  if (serial <= passed_) {
    return std::nullopt;  // Those that are pending are later ones.
  }
  const auto found = std::ranges::lower_bound(pending_, serial, {}, &Marker::serial);
  return found == pending_.end() ? std::nullopt : std::optional(*found);
}

}  // namespace headrace::vulkan
