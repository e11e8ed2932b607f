// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vulkan_layer/access.h"
#include "vulkan_layer/api.h"

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace headrace::vulkan_layer {

/// A timeline and a value of it.
using TimelineValue = std::pair<VkSemaphore, std::uint64_t>;

struct Submission {
  std::uint64_t number = 0;
  const void* queue = nullptr;
  VkFence fence = VK_NULL_HANDLE;
  std::vector<TimelineValue> waits;
  std::vector<TimelineValue> signals;
  std::set<std::uint64_t> uses;  ///< Handles of whatever must stay as it is until it is done.
  std::vector<Access> accesses;
  QueueClock clock;  ///< What is done before it begins.
};

/// The submissions of a device that the program does not know to be done, whether they are or not.
/// The lock guards it.
class InFlight {
 public:
  void add(Submission submission) { submissions_.push_back(std::move(submission)); }
  /// Takes back those from a number on, which the driver refused.
  void drop_from(std::uint64_t number);

  /// The program saw a timeline at a value, a fence signalled, a queue idle, or all of them.
  void saw_value(VkSemaphore semaphore, std::uint64_t value);
  void saw_fence(VkFence fence);
  void saw_idle(const void* queue);
  void saw_all() { submissions_.clear(); }
  /// A semaphore is no more.
  void forget(VkSemaphore semaphore) { seen_.erase(semaphore); }

  /// By number.
  [[nodiscard]] const std::list<Submission>& submissions() const { return submissions_; }

  /// The submission whose signal ends a wait; null when the program saw the value.
  [[nodiscard]] const Submission* fulfilling(const TimelineValue& wait) const;

  /// The number of a submission that may still use an object, if there is one.
  [[nodiscard]] std::optional<std::uint64_t> user_of(std::uint64_t handle) const;

  /// What the first submission after `number` waits for.
  [[nodiscard]] std::vector<TimelineValue> waits_after(std::uint64_t number) const;

 private:
  /// Drops one and all that must have been done before it.
  void drop(std::uint64_t number);
  [[nodiscard]] std::vector<std::uint64_t> done_before(const Submission& done) const;
  [[nodiscard]] bool is_seen(const TimelineValue& wait) const;

  std::list<Submission> submissions_;          ///< By number.
  std::map<VkSemaphore, std::uint64_t> seen_;  ///< The highest value that was seen.
};

}  // namespace headrace::vulkan_layer
