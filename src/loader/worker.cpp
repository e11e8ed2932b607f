// SPDX-License-Identifier: Apache-2.0
// The workers' side of the engine.
#include "headrace/error.h"

#include "core/log.h"
#include "loader/engine.h"
#include "loader/read_failure.h"
#include "loader/rows.h"
#include "loader/this_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace headrace::loader {

namespace {

/// Bytes that a worker reads at most for the same reason as kChunkTime.
constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
/// How long a worker waits for the device before it looks whether the loader was stopped.
constexpr std::chrono::milliseconds kStopCheck{20};
constexpr std::size_t kListedFailures = 16;

void copy_part(const Slot& slot, const BatchLayout::Part& part, const std::vector<float>& values) {
  if (!values.empty()) {
    std::memcpy(slot.host() + part.offset, values.data(), values.size() * sizeof(float));
  }
}

/// The spec that a serial source's batch implies.
SampleSpec spec_of(const SourceBatch& batch) {
  return {.input_shape = batch.input_shape.without_leading(),
          .input_dtype = DataType::float32,
          .label_shape = batch.labels.empty() ? Shape{0} : batch.label_shape.without_leading(),
          .label_dtype = DataType::float32,
          .fields = {}};
}

bool same_rows(const BatchLayout& layout, const SampleSpec& spec) {
  return layout.input().shape == spec.input_shape && layout.label().shape == spec.label_shape;
}

}  // namespace

void Engine::run_worker(std::size_t number) noexcept {
  this_worker() = this;
  const std::string track = fmt::format("worker {}", number);
  SampleView view;
  Lock lock(mutex_);
  while (phase_ == Phase::running && !is_finished_locked()) {
    if (!work_once(lock, view, track)) {
      const Clock::time_point idle = Clock::now();
      idle_.wait(lock);
      slot_wait_time_.add(Clock::now() - idle);
    }
  }
}

bool Engine::work_once(Lock& lock, SampleView& view, const std::string& track) {
  if (const std::optional<Chunk> chunk = next_chunk_locked()) {
    read_chunk(*chunk, view, lock, track);
    return true;
  }
  if (Slot* slot = slot_to_open_locked()) {
    serial_ ? fill_from_serial(*slot, lock, track) : open_slot(*slot, lock);
    return true;
  }
  return false;
}

std::optional<Engine::Chunk> Engine::next_chunk_locked() {
  for (std::uint64_t batch = next_batch_; batch < next_batch_ + slots_.size(); ++batch) {
    Slot& slot = slots_[batch % slots_.size()];
    if (slot.batch == batch && slot.state == Slot::State::filling &&
        slot.next_row < slot.plan.read_rows) {
      const std::size_t begin = slot.next_row;
      slot.next_row = std::min<std::size_t>(slot.plan.read_rows, begin + rows_per_chunk(slot));
      return Chunk{&slot, begin, slot.next_row};
    }
  }
  return std::nullopt;
}

std::size_t Engine::rows_per_chunk(const Slot& slot) const {
  const std::size_t share = (slot.plan.read_rows + config_.workers - 1) / config_.workers;
  const std::size_t by_bytes = kChunkBytes / std::max<std::size_t>(slot.layout->row_bytes(), 1);
  const auto by_time =
      static_cast<std::size_t>(kChunkTime / std::max(row_time_, Clock::duration(1)));
  return std::clamp<std::size_t>(std::min(by_bytes, by_time), 1, std::max<std::size_t>(share, 1));
}

Slot* Engine::slot_to_open_locked() {
  const std::uint64_t end = std::min(next_batch_ + depth_, plan_->batch_count());
  for (std::uint64_t batch = next_batch_; batch < end; ++batch) {
    Slot& slot = slots_[batch % slots_.size()];
    if (slot.lacks_memory()) {
      return nullptr;  // Else later batches might take all there is, and it would wait for ever.
    }
    if (slot.state == Slot::State::empty && slot.batch != batch) {
      slot.state = Slot::State::opening;
      slot.has_memory = false;
      slot.generation = generation_;
      slot.batch = batch;
      slot.plan = plan_->batch(batch);
      slot.next_row = slot.rows_done = 0;
      slot.failures.clear();
      slot.error = nullptr;
      if (!slot.lease && !spare_leases_.empty()) {
        slot.lease = std::move(spare_leases_.back());
        spare_leases_.pop_back();
      }
      return &slot;
    }
  }
  return nullptr;
}

void Engine::open_slot(Slot& slot, Lock& lock) {
  ask_ahead(slot, lock);
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  bool opened = false;
  try {
    if (!slot.lease) {
      slot.lease = std::make_unique<Lease>();
    }
    slot.lease->ids.resize(slot.plan.valid);
    if (files_ != nullptr) {
      files_->check_files();  // Reading behind the end of a file would end the process.
    }
    opened = prepare_memory(slot, layout_);
  } catch (...) {
    slot.error = std::current_exception();
  }
  const Clock::time_point end = Clock::now();
  lock.lock();
  slot_wait_time_.add(end - begin);
  if (slot.error || (opened && slot.plan.read_rows == 0)) {
    ship(slot, lock);
  } else if (opened) {
    slot.state = Slot::State::filling;
    idle_.wake_all();
  }
}

void Engine::fill_from_serial(Slot& slot, Lock& lock, const std::string& track) {
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  bool filled = false;
  try {
    if (!slot.lease) {
      slot.lease = std::make_unique<Lease>();
    }
    const std::optional<SourceBatch> batch =
        serial_->take(slot.batch, slot.plan, plan_->place(slot.plan, 0));
    if (batch) {
      const SampleSpec spec = spec_of(*batch);
      std::shared_ptr<const BatchLayout> layout = slot.layout;
      if (!layout || !same_rows(*layout, spec)) {
        layout = std::make_shared<const BatchLayout>(spec, most_rows_, config_.output);
      }
      filled = prepare_memory(slot, layout);
      if (filled) {
        copy_part(slot, layout->input(), batch->input);
        copy_part(slot, layout->label(), batch->labels);
        slot.plan.read_rows = slot.plan.valid;  // Repeated rows are copied, not read again.
        slot.lease->ids.resize(slot.plan.valid);
        for (std::size_t row = 0; row < slot.plan.valid; ++row) {
          slot.lease->ids[row] = plan_->sample(slot.plan, row);
        }
      }
    }
  } catch (...) {
    slot.error = batch_failure(slot.plan.id);
    filled = true;
  }
  const Clock::time_point end = Clock::now();
  lock.lock();
  read_time_.add(end - begin);
  trace(track, "read", begin, end, slot.plan.id);
  if (filled) {
    ship(slot, lock);
  }
}

bool Engine::prepare_memory(Slot& slot, const std::shared_ptr<const BatchLayout>& layout) {
  while (begin_attempt(slot)) {
    try {
      provide(slot, layout);
      end_attempt(slot, nullptr);
      return wait_for_last_use(slot);
    } catch (const Error&) {
      end_attempt(slot, std::current_exception());
    }
  }
  return false;
}

void Engine::provide(Slot& slot, const std::shared_ptr<const BatchLayout>& layout) {
  memory_.leave_what_is_held(slot);
  if (memory_is_short_) {
    take_from_empty(slot);  // Asking first would have the manager look through all it has.
  }
  while (true) {
    try {
      memory_.provide(slot, layout);
      return;
    } catch (const Error& error) {
      memory_is_short_ =
          error.code() == ErrorCode::capacity || error.code() == ErrorCode::out_of_memory;
      if (!memory_is_short_ || !(take_from_empty(slot) || drop_from_empty())) {
        throw;
      }
    }
  }
}

bool Engine::take_from_empty(Slot& slot) {
  const std::scoped_lock lock(mutex_);
  return std::ranges::any_of(slots_, [this, &slot](Slot& other) {
    return other.state == Slot::State::empty && memory_.take_over(other, slot);
  });
}

bool Engine::drop_from_empty() {
  std::vector<std::shared_ptr<core::Storage>> dropped;  // Given back with no lock held.
  const std::scoped_lock lock(mutex_);
  for (Slot& slot : slots_) {
    if (slot.state == Slot::State::empty && dropped.empty()) {
      dropped = memory_.drop(slot);
    }
  }
  return !dropped.empty();
}

bool Engine::begin_attempt(Slot& slot) {
  Lock lock(mutex_);
  retry_.wait(lock,
              [this, &slot] { return slot.retry || !slot.starved || phase_ != Phase::running; });
  slot.retry = false;
  ++slot.attempts_begun;
  return phase_ == Phase::running;
}

void Engine::end_attempt(Slot& slot, std::exception_ptr starved) {
  const std::scoped_lock lock(mutex_);
  slot.starved = std::move(starved);
  if (slot.starved) {
    slot.last_failed_attempt = slot.attempts_begun;
    ready_.notify_all();
  } else {
    slot.has_memory = true;
    idle_.wake_all();
  }
}

bool Engine::wait_for_last_use(const Slot& slot) {
  core::Block& block = (slot.slab ? slot.slab : slot.packed)->block();
  while (!block.wait_to_write(kStopCheck)) {
    if (stops_within({})) {
      return false;
    }
  }
  // The mover waits for the others on the device, but not while a consumer's stream is captured.
  for (const auto& storage : {slot.packed, slot.expanded}) {
    while (storage && !storage->block().can_be_waited_for()) {
      if (stops_within(kStopCheck)) {
        return false;
      }
    }
  }
  return true;
}

bool Engine::stops_within(std::chrono::milliseconds time) {
  Lock lock(mutex_);
  return retry_.wait_for(lock, time, [this] { return phase_ != Phase::running; });
}

void Engine::ship(Slot& slot, Lock& lock) {
  slot.state = Slot::State::shipping;
  if (!slot.has_memory) {
    idle_.wake_all();  // It failed before it had any; the next may be opened.
  }
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  std::size_t bytes = 0;
  try {
    std::ranges::sort(slot.failures, {}, &RowFailure::row);
    if (!slot.error && !slot.failures.empty() && config_.on_error == OnError::raise) {
      slot.error = slot.failures.front().error;
    }
    if (!slot.error) {
      settle_rows(slot, config_.tail);
      const std::scoped_lock shipping(ship_);
      bytes = mover_.ship(slot);
    }
  } catch (...) {
    slot.error = std::current_exception();
  }
  const Clock::time_point end = Clock::now();
  lock.lock();
  ship_time_.add(end - begin);
  trace("mover", "copy", begin, end, slot.plan.id);
  list_failures(slot);
  ++counts_.batches_produced;
  counts_.bytes_to_device += bytes;
  slot.state = Slot::State::ready;
  ready_.notify_all();
}

void Engine::list_failures(const Slot& slot) noexcept {
  counts_.failures += slot.failures.size();
  try {
    for (const RowFailure& failure : slot.failures) {
      if (counts_.first_failures.size() < kListedFailures) {
        counts_.first_failures.push_back({slot.plan.epoch, failure.sample, failure.message});
      }
    }
  } catch (const std::exception& error) {
    core::log_error(error.what());  // Counted all the same.
  }
}

void Engine::trace(const std::string& track,
                   const char* stage,
                   Clock::time_point begin,
                   Clock::time_point end,
                   std::uint64_t batch) const noexcept {
  if (!config_.trace) {
    return;
  }
  try {
    config_.trace->record(config_.trace->track(track), stage, begin, end, batch);
  } catch (const std::exception& error) {
    core::log_error(error.what());  // A span less is no reason to end anything.
  }
}

}  // namespace headrace::loader
