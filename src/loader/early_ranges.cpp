// SPDX-License-Identifier: Apache-2.0
#include "loader/early_ranges.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

namespace headrace::loader {
namespace {

std::string text_of(const LoaderState::Early& range) {
  return "[" + std::to_string(range.begin) + ", " + std::to_string(range.end) + ") of epoch " +
         std::to_string(range.epoch);
}

}  // namespace

void join(std::vector<LoaderState::Early>& ranges) {
  std::ranges::sort(ranges, {}, [](const LoaderState::Early& range) {
    return std::tuple(range.epoch, range.begin);
  });
  std::size_t kept = 0;
  for (const LoaderState::Early& range : ranges) {
    if (kept > 0 && ranges[kept - 1].epoch == range.epoch && range.begin <= ranges[kept - 1].end) {
      ranges[kept - 1].end = std::max(ranges[kept - 1].end, range.end);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

std::string fault_of(const LoaderState& state, std::uint64_t samples) {
  if (state.place > samples) {
    return "Place " + std::to_string(state.place) + " lies beyond an epoch of " +
           std::to_string(samples) + " samples.";
  }
  auto floor = std::tuple(state.epoch, state.place);
  const LoaderState::Early* previous = nullptr;
  for (const LoaderState::Early& range : state.early) {
    if (range.begin >= range.end) {
      return "Early range " + text_of(range) + " is empty or reversed.";
    }
    if (range.end > samples) {
      return "Early range " + text_of(range) + " lies beyond an epoch of " +
             std::to_string(samples) + " samples.";
    }
    if (std::tuple(range.epoch, range.begin) < floor) {
      return "Early range " + text_of(range) +
             (previous == nullptr ? " lies before place " + std::to_string(state.place) +
                                        " of epoch " + std::to_string(state.epoch) + "."
                                  : " overlaps or precedes " + text_of(*previous) + ".");
    }
    floor = std::tuple(range.epoch, range.end);
    previous = &range;
  }
  return {};
}

}  // namespace headrace::loader
