// SPDX-License-Identifier: Apache-2.0
#include "loader/idle_workers.h"

#include <algorithm>
#include <sched.h>

namespace headrace::loader {

void IdleWorkers::wait(std::unique_lock<std::mutex>& lock) {
  Group& mine = groups_[group()];
  ++mine.waiting;
  mine.wake.wait(lock);
  --mine.waiting;
}

void IdleWorkers::wake_all() noexcept {
  for (Group& group : groups_) {
    group.wake.notify_all();
  }
}

std::condition_variable& IdleWorkers::elsewhere() noexcept {
  const std::size_t here = group();
  Group& other = groups_[1 - here];
  return (other.waiting != 0 ? other : groups_[here]).wake;
}

std::size_t IdleWorkers::group() noexcept {
  return static_cast<std::size_t>(std::max(sched_getcpu(), 0)) % kGroups;
}

}  // namespace headrace::loader
