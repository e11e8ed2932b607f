// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <cstdlib>
#include <ctime>
#include <pthread.h>
#include <utility>

namespace headrace::cli {

Interrupt::Interrupt() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &previous_);
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

void Interrupt::watch(const std::stop_token& stop) {
  constexpr timespec kPatience{.tv_sec = 0, .tv_nsec = 20'000'000};
  while (!stop.stop_requested()) {
    if (signal_ != 0) {
      nanosleep(&kPatience, nullptr);
    } else if (const int signal = sigtimedwait(&signals_, nullptr, &kPatience); signal > 0) {
      handle(signal);
    }
  }
}

Interrupt::~Interrupt() {
  thread_.request_stop();
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

void Interrupt::on_signal(std::function<void()> handler) {
  const std::scoped_lock lock(mutex_);
  handler_ = std::move(handler);
}

void Interrupt::handle(int signal) {
  const std::scoped_lock lock(mutex_);
  if (!handler_) {
    std::_Exit(128 + signal);
  }
  signal_ = signal;
  // From here on this thread takes signals as they come, which ends the process.
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  handler_();
}

}  // namespace headrace::cli
