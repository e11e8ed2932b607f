// SPDX-License-Identifier: Apache-2.0
// The consumer's side of the engine.
#include "headrace/error.h"

#include "core/access.h"
#include "loader/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::loader {

namespace {

Tensor rows_of(const std::shared_ptr<core::Storage>& storage,
               const BatchLayout::Part& part,
               std::size_t rows) {
  return core::view(
      storage, part.offset, part.shape.with_leading(static_cast<std::int64_t>(rows)), part.dtype);
}

/// Whether what it last failed with may be out of date.
bool is_being_tried(const Slot& slot) {
  return slot.retry || slot.attempts_begun != slot.last_failed_attempt;
}

}  // namespace

/// Wakes whom a batch's leaving concerns, once the consumer has it and the lock is free: woken
/// earlier they would take the consumer's lock, or its processor, while it is still here.
class Engine::Wake {
 public:
  Wake(Engine& engine, Lock& lock, std::uint64_t passed)
      : engine_(engine), lock_(lock), passed_(passed), is_last_(engine.is_finished_locked()) {}
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;
  ~Wake() {
    if (!lock_.owns_lock()) {
      lock_.lock();
    }
    std::condition_variable& one = engine_.idle_.elsewhere();
    lock_.unlock();
    // One slot takes one worker to open it, which then wakes the others to fill it.
    if (passed_ == 1 && !is_last_) {
      one.notify_one();
    } else if (passed_ != 0) {
      engine_.idle_.wake_all();
    }
    engine_.ready_.notify_all();
  }

 private:
  Engine& engine_;
  Lock& lock_;
  std::uint64_t passed_;  // batches that the window moved on by
  bool is_last_;
};

std::optional<GPUBatch> Engine::get(const Stream& stream, bool may_wait) {
  const Clock::time_point called = Clock::now();
  const std::shared_ptr<core::StreamState> consumer = resolve(stream);
  Lock lock(mutex_);
  const std::uint64_t generation = generation_;
  Asked asked;
  for (bool waited = false;; waited = true) {
    if (generation_ == generation && is_finished_locked()) {
      return std::nullopt;
    }
    require_running_locked(generation);
    if (Slot* slot = next_ready_locked()) {
      return deliver(*slot, consumer, lock, called, waited);
    }
    ask_for_memory_locked(asked, may_wait);
    if (!may_wait) {
      return std::nullopt;
    }
    ready_.wait(lock);
  }
}

void Engine::require_running_locked(std::uint64_t generation) const {
  if (generation_ == generation && phase_ == Phase::running) {
    return;
  }
  throw Error(ErrorCode::stopped,
              generation_ == 0 ? "The loader was not started." : "The loader was stopped.");
}

void Engine::ask_for_memory_locked(Asked& asked, bool may_wait) {
  Slot* slot = starved_slot_locked();
  if (slot == nullptr) {
    return;
  }
  if (!may_wait && is_being_tried(*slot)) {
    return;
  }
  if (asked.batch == slot->batch && slot->last_failed_attempt > asked.attempt) {
    std::rethrow_exception(slot->starved);
  }
  if (asked.batch != slot->batch) {
    asked = {slot->batch, slot->attempts_begun};
    slot->retry = true;
    retry_.notify_all();
  }
  if (!may_wait) {
    std::rethrow_exception(slot->starved);
  }
}

GPUBatch Engine::deliver(Slot& slot,
                         const std::shared_ptr<core::StreamState>& consumer,
                         Lock& lock,
                         Clock::time_point called,
                         bool waited) {
  slot.state = Slot::State::empty;
  const std::uint64_t passed = note_handed_out(slot.batch);
  const Wake wake(*this, lock, passed);
  if (waited) {
    const Clock::time_point ready = Clock::now();
    batch_wait_time_.add(ready - called);
    trace("consumer", "wait for batch", called, ready, slot.plan.id);
  }
  GPUBatch batch = hand_out(slot, consumer, lock);
  if (!waited) {
    handoff_time_.add(Clock::now() - called);
  }
  return batch;
}

Slot* Engine::next_ready_locked() {
  const std::uint64_t window = config_.ordered ? 1 : slots_.size();
  for (std::uint64_t batch = next_batch_; batch < next_batch_ + window; ++batch) {
    Slot& slot = slots_[batch % slots_.size()];
    if (slot.batch == batch && slot.state == Slot::State::ready) {
      return &slot;
    }
  }
  return nullptr;
}

Slot* Engine::starved_slot_locked() {
  Slot& slot = slots_[next_batch_ % slots_.size()];
  return slot.batch == next_batch_ && slot.starved ? &slot : nullptr;
}

GPUBatch Engine::hand_out(Slot& slot,
                          const std::shared_ptr<core::StreamState>& stream,
                          Lock& lock) {
  count_failures(slot);
  if (slot.error) {
    std::rethrow_exception(slot.error);
  }
  GPUBatch batch = make_batch(slot, stream);
  const std::shared_ptr<core::Storage> packed = slot.packed;
  const std::shared_ptr<core::Storage> expanded = slot.layout->expand() ? slot.expanded : nullptr;
  lock.unlock();
  packed->block().before_read(*stream);
  if (expanded) {
    expanded->block().before_read(*stream);
  }
  lock.lock();
  return batch;
}

std::uint64_t Engine::note_handed_out(std::uint64_t batch) {
  if (batch != next_batch_) {
    handed_early_.insert(std::ranges::lower_bound(handed_early_, batch), batch);
    return 0;
  }
  ++next_batch_;
  auto passed = handed_early_.begin();
  while (passed != handed_early_.end() && *passed == next_batch_) {
    ++next_batch_;
    ++passed;
  }
  handed_early_.erase(handed_early_.begin(), passed);
  return next_batch_ - batch;
}

void Engine::count_failures(const Slot& slot) {
  failures_seen_ += slot.failures.size();
  if (config_.on_error == OnError::skip && failures_seen_ > config_.max_failures &&
      !slot.failures.empty()) {
    try {
      std::rethrow_exception(slot.failures.back().error);
    } catch (const Error& error) {
      throw Error(error.code(),
                  fmt::format("{} samples could not be read; max_failures is {}. The last: {}",
                              failures_seen_,
                              config_.max_failures,
                              error.what()));
    }
  }
}

GPUBatch Engine::make_batch(Slot& slot, const std::shared_ptr<core::StreamState>& stream) {
  const BatchLayout& layout = *slot.layout;
  Lease& lease = *slot.lease;
  lease.engine = weak_from_this();
  lease.stream = stream;
  lease.weights = weights_;
  lease.packed = slot.packed;
  lease.expanded = layout.expand() ? slot.expanded : nullptr;
  lease.state = state_locked();
  lease.fields.clear();
  lease.field_names.clear();
  for (std::size_t part = 2; part < layout.parts().size(); ++part) {
    lease.field_names.push_back(layout.parts()[part].name);
    lease.fields.push_back(rows_of(slot.packed, layout.parts()[part], slot.rows));
  }
  GPUBatch batch;
  batch.input_tensor =
      rows_of(layout.expand() ? slot.expanded : slot.packed, layout.output(), slot.rows);
  batch.label_tensor = rows_of(slot.packed, layout.label(), slot.rows);
  batch.weight_tensors = *weights_;
  batch.batch_id = slot.plan.id;
  batch.generation = slot.generation;
  batch.epoch = slot.plan.epoch;
  batch.valid_count = static_cast<std::int64_t>(slot.valid);
  batch.lease_ = std::move(slot.lease);
  ++counts_.batches_delivered;
  counts_.samples_delivered += slot.valid;
  return batch;
}

}  // namespace headrace::loader
