// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace headrace::loader {

/// The workers that wait for something to do, by the processor they last ran on.
///
/// A system that is busy starts a woken thread where it ran last, without looking for an idle
/// processor: where that is the waker's own, the waker stops. So a consumer wakes one that ran
/// elsewhere, if there is one. Guarded by the engine's mutex, but for `wake_all`.
class IdleWorkers {
 public:
  /// Waits for one wake, as a condition variable does: perhaps for none.
  void wait(std::unique_lock<std::mutex>& lock);
  void wake_all() noexcept;
  /// To notify one of, with no lock held: of workers that last ran on another processor than the
  /// caller, unless there are none.
  [[nodiscard]] std::condition_variable& elsewhere() noexcept;

 private:
  static constexpr std::size_t kGroups = 2;  // even and odd processors: two calls wake all
  struct Group {
    std::condition_variable wake;
    std::size_t waiting = 0;
  };
  /// Of this thread's processor.
  [[nodiscard]] static std::size_t group() noexcept;

  std::array<Group, kGroups> groups_;
};

}  // namespace headrace::loader
