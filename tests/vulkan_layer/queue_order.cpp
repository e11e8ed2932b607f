// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/queue_order.h"

#include <algorithm>

namespace headrace::vulkan_layer {

namespace {

void join(QueueClock& clock, const Submission& earlier) {
  const auto raise = [&](const void* queue, std::uint64_t number) {
    std::uint64_t& known = clock[queue];
    known = std::max(known, number);
  };
  for (const auto& [queue, number] : earlier.clock) {
    raise(queue, number);
  }
  raise(earlier.queue, earlier.number);
}

bool is_before(const Submission& earlier, const QueueClock& clock) {
  const auto known = clock.find(earlier.queue);
  return known != clock.end() && earlier.number <= known->second;
}

std::string text_of(const Access& access) {
  return std::string(access.is_write ? "writes" : "reads") + " bytes " +
         std::to_string(access.begin) + " to " +
         (access.end == VK_WHOLE_SIZE ? "the end" : std::to_string(access.end));
}

/// What two submissions do with the same bytes.
std::optional<std::string> use_by_both(const Submission& one, const Submission& other) {
  for (const Access& access : one.accesses) {
    const auto met = std::ranges::find_if(
        other.accesses, [&](const Access& each) { return conflict(access, each); });
    if (met != other.accesses.end()) {
      return "submission " + std::to_string(one.number) + " " + text_of(access) +
             " of a buffer, and submission " + std::to_string(other.number) +
             " of another queue, which it does not wait for, " + text_of(*met);
    }
  }
  return std::nullopt;
}

}  // namespace

QueueClock clock_of(const InFlight& in_flight, const Submission& submission) {
  QueueClock clock;
  const auto& all = in_flight.submissions();
  const auto last = std::find_if(all.rbegin(), all.rend(), [&](const Submission& each) {
    return each.queue == submission.queue;
  });
  if (last != all.rend()) {
    join(clock, *last);
  }
  for (const TimelineValue& wait : submission.waits) {
    if (const Submission* fulfilling = in_flight.fulfilling(wait)) {
      join(clock, *fulfilling);
    }
  }
  return clock;
}

std::optional<std::string> unordered_use(const InFlight& in_flight, const Submission& submission) {
  for (const Submission& earlier : in_flight.submissions()) {
    if (!is_before(earlier, submission.clock)) {
      if (auto use = use_by_both(submission, earlier)) {
        return use;
      }
    }
  }
  return std::nullopt;
}

}  // namespace headrace::vulkan_layer
