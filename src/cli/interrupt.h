// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t is POSIX's
#include <thread>

namespace headrace::cli {

/// Catches SIGINT and SIGTERM while it lives, so that a run can end in good order.
///
/// Made before any other thread, which inherit that these signals are blocked. A first signal calls
/// what `on_signal` gave, or ends the process when there is nothing; a second one ends it anyway.
class Interrupt {
 public:
  Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt();

  /// Sets what a first signal calls, on a thread of its own; empty for nothing.
  void on_signal(std::function<void()> handler);

  /// The first signal that came, or 0.
  [[nodiscard]] int signal() const noexcept { return signal_; }

 private:
  void watch(const std::stop_token& stop);
  void handle(int signal);

  sigset_t signals_{};
  sigset_t previous_{};
  std::atomic<int> signal_ = 0;
  std::mutex mutex_;
  std::function<void()> handler_;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace headrace::cli
