// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/event_pool.h"

#include "backends/cuda/context.h"

namespace headrace::cuda {

EventHold::~EventHold() {
  if (event_ != nullptr && event_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    event_->pool->give_back(event_);
  }
}

EventHold EventPool::take() {
  const std::scoped_lock lock(mutex_);
  if (!idle_.empty()) {
    PooledEvent* event = idle_.back();
    idle_.pop_back();
    return EventHold(event);
  }
  idle_.reserve(all_.size() + 1);  // Giving it back cannot fail.
  auto event = std::make_unique<PooledEvent>();
  event->pool = this;
  const unsigned flags = kind_ == Kind::timed ? CU_EVENT_BLOCKING_SYNC
                                              : CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING;
  context_.check(context_.driver().cuEventCreate(&event->handle, flags), "cuEventCreate");
  all_.push_back(std::move(event));
  return EventHold(all_.back().get());
}

void EventPool::give_back(PooledEvent* event) noexcept {
  const std::scoped_lock lock(mutex_);
  idle_.push_back(event);
}

EventPool::~EventPool() {
  const Entered entered(context_);
  for (const std::unique_ptr<PooledEvent>& event : all_) {
    context_.driver().cuEventDestroy(event->handle);
  }
}

}  // namespace headrace::cuda
