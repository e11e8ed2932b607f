// SPDX-License-Identifier: Apache-2.0
#include "backends/shared/keeper.h"

#include "headrace/error.h"

#include <condition_variable>
#include <mutex>

namespace headrace::backends {

struct Keeper::State {
  void run();

  std::mutex mutex;
  std::condition_variable changed;
  KeptOne kept;               // guarded by mutex
  std::uint64_t dropped = 0;  // guarded by mutex
  bool is_closed = false;     // guarded by mutex
  std::thread::id thread;     // guarded by mutex
};

Kept::~Kept() = default;

Keeper::Keeper() : state_(std::make_shared<State>()) {}

Keeper::~Keeper() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::scoped_lock lock(state_->mutex);
    state_->is_closed = true;
  }
  state_->changed.notify_all();
  const bool is_self = thread_.get_id() == std::this_thread::get_id();
  is_self || is_detached_ ? thread_.detach() : thread_.join();
}

void Keeper::start() {
  if (!thread_.joinable()) {
    thread_ = std::thread([state = state_] { state->run(); });
  }
}

void Keeper::keep(KeptOne one) noexcept {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->kept.splice(state_->kept.end(), one);
  }
  ++kept_;
  state_->changed.notify_all();
}

std::uint64_t Keeper::dropped() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->dropped;
}

bool Keeper::wait_for_dropped(std::uint64_t count, std::chrono::nanoseconds timeout) const {
  std::unique_lock lock(state_->mutex);
  if (state_->dropped < count && state_->thread == std::this_thread::get_id()) {
    throw Error(ErrorCode::invalid_argument,
                "What a launch held waits, as it is dropped, for the launch's own stream, which "
                "would never end.");
  }
  return state_->changed.wait_for(lock, timeout, [&] { return state_->dropped >= count; });
}

void Keeper::State::run() {
  std::unique_lock lock(mutex);
  thread = std::this_thread::get_id();
  while (true) {
    changed.wait(lock, [this] { return !kept.empty() || is_closed; });
    if (kept.empty()) {
      return;
    }
    KeptOne next;
    next.splice(next.begin(), kept, kept.begin());
    lock.unlock();
    next.front()->finish();
    next.clear();
    lock.lock();
    ++dropped;
    changed.notify_all();
  }
}

}  // namespace headrace::backends
