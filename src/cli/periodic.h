// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace headrace::cli {

/// Calls `work`, which must not throw, on a thread of its own once every `period`, first after one.
class Periodic {
 public:
  Periodic(std::chrono::milliseconds period, std::function<void()> work)
      : thread_([this, period, work = std::move(work)](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          while (!stop.stop_requested()) {
            wake_.wait_for(lock, stop, period, [] { return false; });
            if (!stop.stop_requested()) {
              work();
            }
          }
        }) {}

  /// Ends the calls; waits for the one in flight. Again: nothing.
  void stop() noexcept {
    thread_.request_stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace headrace::cli
