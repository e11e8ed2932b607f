// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

namespace headrace::fake_cuda {

/// The one lock of the driver. Every call holds it from beginning to end, but for waits; the
/// functions of the fake are called with it held unless they say otherwise.
std::mutex& lock();

/// Told of everything that somebody may wait for: work that came or was done, a lost context.
std::condition_variable& changed();

/// Waits until `condition` holds, and lets go of the lock meanwhile.
template <class Condition>
void wait_until(Condition condition) {
  std::unique_lock held(lock(), std::adopt_lock);
  changed().wait(held, condition);
  held.release();
}

/// Notes that something was done that no program may do.
void violate(std::string what);

}  // namespace headrace::fake_cuda
