// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/driver.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace headrace::cuda {

class Context;
class EventPool;

/// An event of a pool's, which gets it back when its last holder lets go.
struct PooledEvent {
  CUevent handle = nullptr;
  EventPool* pool = nullptr;
  std::atomic<int> holders{0};
};

/// Holds an event, so that nobody records it again. Copies hold the same one.
class EventHold {
 public:
  EventHold() = default;
  explicit EventHold(PooledEvent* event) noexcept : event_(event) { add(); }
  EventHold(const EventHold& other) noexcept : event_(other.event_) { add(); }
  EventHold(EventHold&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  EventHold& operator=(const EventHold& other) noexcept { return *this = EventHold(other); }
  EventHold& operator=(EventHold&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~EventHold();

  [[nodiscard]] CUevent handle() const noexcept { return event_->handle; }
  explicit operator bool() const noexcept { return event_ != nullptr; }

 private:
  void add() const noexcept {
    if (event_ != nullptr) {
      event_->holders.fetch_add(1, std::memory_order_relaxed);
    }
  }
  PooledEvent* event_ = nullptr;
};

/// Events of one context, made when there is none to use again.
///
/// Threads: safe from any thread. Outlives its events' holders.
class EventPool {
 public:
  enum class Kind { marker, timed };

  EventPool(Context& context, Kind kind) : context_(context), kind_(kind) {}
  EventPool(const EventPool&) = delete;
  EventPool& operator=(const EventPool&) = delete;
  ~EventPool();

  /// An event nobody holds. The context is current. \throws Error  as the driver says.
  EventHold take();

 private:
  friend class EventHold;
  void give_back(PooledEvent* event) noexcept;

  Context& context_;
  const Kind kind_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<PooledEvent>> all_;  // guarded by mutex_
  std::vector<PooledEvent*> idle_;                 // guarded by mutex_; room for all
};

}  // namespace headrace::cuda
