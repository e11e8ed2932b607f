// SPDX-License-Identifier: Apache-2.0
#include "vulkan_layer/in_flight.h"

#include <algorithm>

namespace headrace::vulkan_layer {

namespace {

bool signals_up_to(const Submission& submission, const TimelineValue& reached) {
  return std::ranges::any_of(submission.signals, [&](const TimelineValue& signal) {
    return signal.first == reached.first && signal.second <= reached.second;
  });
}

/// A wait ends with the first signal at or above its value.
bool fulfils(const Submission& submission, const TimelineValue& wait) {
  return std::ranges::any_of(submission.signals, [&](const TimelineValue& signal) {
    return signal.first == wait.first && signal.second >= wait.second;
  });
}

}  // namespace

void InFlight::drop_from(std::uint64_t number) {
  submissions_.remove_if([&](const Submission& each) { return each.number >= number; });
}

void InFlight::saw_value(VkSemaphore semaphore, std::uint64_t value) {
  std::vector<std::uint64_t> seen;
  seen_[semaphore] = std::max(seen_[semaphore], value);
  for (const Submission& each : submissions_) {
    if (signals_up_to(each, {semaphore, value})) {
      seen.push_back(each.number);
    }
  }
  for (const std::uint64_t number : seen) {
    drop(number);
  }
}

void InFlight::saw_fence(VkFence fence) {
  const auto found = std::ranges::find(submissions_, fence, &Submission::fence);
  if (found != submissions_.end()) {
    drop(found->number);
  }
}

void InFlight::saw_idle(const void* queue) {
  std::uint64_t last = 0;
  for (const Submission& each : submissions_) {
    last = each.queue == queue ? each.number : last;
  }
  drop(last);
}

const Submission* InFlight::fulfilling(const TimelineValue& wait) const {
  if (is_seen(wait)) {
    return nullptr;
  }
  const auto found = std::ranges::find_if(
      submissions_, [&](const Submission& each) { return fulfils(each, wait); });
  return found == submissions_.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> InFlight::user_of(std::uint64_t handle) const {
  const auto found = std::ranges::find_if(
      submissions_, [&](const Submission& each) { return each.uses.contains(handle); });
  return found == submissions_.end() ? std::nullopt : std::optional(found->number);
}

std::vector<TimelineValue> InFlight::waits_after(std::uint64_t number) const {
  const auto found = std::ranges::find_if(
      submissions_, [&](const Submission& each) { return each.number > number; });
  return found == submissions_.end() ? std::vector<TimelineValue>{} : found->waits;
}

void InFlight::drop(std::uint64_t number) {
  const auto found = std::ranges::find(submissions_, number, &Submission::number);
  if (found == submissions_.end()) {
    return;
  }
  const Submission done = std::move(*found);
  submissions_.erase(found);
  const std::vector<std::uint64_t> earlier = done_before(done);
  for (const TimelineValue& signal : done.signals) {
    seen_[signal.first] = std::max(seen_[signal.first], signal.second);
  }
  for (const std::uint64_t each : earlier) {
    drop(each);
  }
}

std::vector<std::uint64_t> InFlight::done_before(const Submission& done) const {
  std::vector<std::uint64_t> earlier;
  for (const Submission& each : submissions_) {
    // A queue's signals come after everything that was submitted to it before.
    if (each.number < done.number && each.queue == done.queue) {
      earlier.push_back(each.number);
    }
  }
  for (const TimelineValue& wait : done.waits) {
    if (is_seen(wait)) {
      continue;
    }
    for (const Submission& each : submissions_) {
      if (each.number < done.number && signals_up_to(each, wait)) {
        earlier.push_back(each.number);
      }
    }
    const Submission* ending = fulfilling(wait);
    if (ending != nullptr && ending->number < done.number) {
      earlier.push_back(ending->number);
    }
  }
  return earlier;
}

bool InFlight::is_seen(const TimelineValue& wait) const {
  const auto known = seen_.find(wait.first);
  return known != seen_.end() && known->second >= wait.second;
}

}  // namespace headrace::vulkan_layer
