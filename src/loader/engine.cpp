// SPDX-License-Identifier: Apache-2.0
#include "loader/engine.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/log.h"
#include "loader/loader_config.h"
#include "loader/this_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::loader {

namespace {
/// Most rows that a batch's tensors may have: no more than there are samples, unless it is padded.
std::size_t most_rows(const AsyncDataLoaderConfig& config, std::uint64_t samples) {
  const bool pads = config.tail == Tail::pad_repeat || config.tail == Tail::pad_zero;
  return pads ? config.batch_size
              : static_cast<std::size_t>(std::min<std::uint64_t>(config.batch_size, samples));
}
}  // namespace

Engine::Engine(std::shared_ptr<SampleSource> source, AsyncDataLoaderConfig config)
    : Engine(require_source(std::move(source)), nullptr, checked(std::move(config))) {}

Engine::Engine(std::shared_ptr<DataSource> source, AsyncDataLoaderConfig config)
    : Engine(nullptr, require_source(std::move(source)), checked_serial(std::move(config))) {}

Engine::Engine(std::shared_ptr<SampleSource> source,
               std::shared_ptr<DataSource> serial_source,
               AsyncDataLoaderConfig config)
    : source_(std::move(source)),
      files_(dynamic_cast<const sources::FileBacked*>(source_.get())),
      serial_(serial_source ? std::make_unique<SerialFeed>(std::move(serial_source), stopping_)
                            : nullptr),
      config_(std::move(config)),
      source_name_(source_ ? source_->name() : "the data source"),
      size_(source_ ? source_->size() : serial_->size()),
      fingerprint_(source_ ? source_->fingerprint() : 0),
      most_rows_(most_rows(config_, size_)),
      weights_(std::make_shared<const std::vector<Tensor>>(config_.weights)),
      layout_(source_
                  ? std::make_shared<const BatchLayout>(source_->spec(), most_rows_, config_.output)
                  : nullptr),
      mover_(config_.memory_manager.device(), config_.trace),
      memory_(config_.memory_manager, config_.byte_budget),
      slots_(memory_.slots_that_fit(layout_.get(), config_.prefetch_depth + 1)),
      depth_(std::max<std::size_t>(slots_.size() - 1, 1)),
      read_ahead_(layout_ ? std::max<std::size_t>(layout_->row_bytes(), 1) : 1) {
  plan_ = std::make_unique<const Plan>(plan_config());
  spare_leases_.reserve(slots_.size());
}

Engine::~Engine() {
  join_workers();  // Each held the engine until its end, so none is at work.
}

PlanConfig Engine::plan_config() const {
  return {.samples = size_,
          .batch_size = config_.batch_size,
          .rank = config_.shard.rank,
          .world_size = config_.shard.world_size,
          .seed = config_.seed,
          .shuffle = config_.shuffle,
          .tail = config_.tail,
          .epochs = config_.epochs,
          .start = start_,
          .fingerprint = fingerprint_};
}

bool Engine::on_worker() const noexcept {
  return this_worker() == this;
}

void Engine::start() {
  if (on_worker()) {
    throw Error(ErrorCode::invalid_argument, "start was called by the loader's own source.");
  }
  const std::scoped_lock control(control_);
  if (is_running()) {
    throw Error(ErrorCode::invalid_argument, "start was called while the loader is running.");
  }
  join_workers();
  begin_generation();
  try {
    for (std::size_t number = 0; number < config_.workers; ++number) {
      workers_.emplace_back([self = shared_from_this(), number] { self->run_worker(number); });
    }
  } catch (...) {
    end_running();
    join_workers();
    throw;
  }
}

void Engine::begin_generation() {
  const std::scoped_lock lock(mutex_);
  plan_ = std::make_unique<const Plan>(plan_config());
  if (serial_) {
    serial_->begin(config_.batch_size);
  }
  start_ = {};
  next_batch_ = 0;
  handed_early_.clear();
  failures_seen_ = 0;
  empty_slots_locked();
  counts_ = {};
  read_ahead_.begin();
  row_time_ = kChunkTime;  // Rows may take longer now than they did.
  read_time_ = slot_wait_time_ = ship_time_ = batch_wait_time_ = handoff_time_ = {};
  ++generation_;
  phase_ = Phase::running;
  stopping_ = false;
}

void Engine::empty_slots_locked() {
  for (Slot& slot : slots_) {
    slot.state = Slot::State::empty;
    slot.batch = Slot::kNoBatch;
    slot.failures.clear();
    slot.error = nullptr;
    slot.starved = nullptr;
    slot.retry = false;
  }
}

void Engine::stop() noexcept {
  if (!process_.is_current()) {
    return;
  }
  if (on_worker()) {
    end_running();
    return;  // Whoever starts, stops or destroys the loader next waits for this thread.
  }
  // Held from the first, so that a start between the two steps is not what gets waited for.
  const std::scoped_lock control(control_);
  end_running();
  if (!workers_.empty()) {
    join_workers();
    const std::scoped_lock lock(mutex_);
    empty_slots_locked();
  }
}

void Engine::end_running() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    phase_ = phase_ == Phase::running ? Phase::stopped : phase_;
    stopping_ = true;
    idle_.wake_all();
    retry_.notify_all();
    ready_.notify_all();
  }
  if (serial_) {
    serial_->end();
  }
}

void Engine::join_workers() noexcept {
  for (std::thread& worker : workers_) {
    // A worker may be the last that holds the engine, when the source destroyed the loader.
    worker.get_id() == std::this_thread::get_id() ? worker.detach() : worker.join();
  }
  workers_.clear();
}

void Engine::restore(const LoaderState& state) {
  if (on_worker()) {
    throw Error(ErrorCode::invalid_argument, "restore was called by the loader's own source.");
  }
  const std::scoped_lock control(control_);
  if (is_running()) {
    throw Error(ErrorCode::invalid_argument, "restore was called while the loader is running.");
  }
  join_workers();
  require_same_order(state, plan_->state_unordered(0, {}));
  if (serial_ && !state.early.empty()) {
    throw Error(ErrorCode::unsupported,
                "A DataSource cannot go on from a state with batches handed out early.");
  }
  const std::scoped_lock lock(mutex_);
  const LoaderState before = std::exchange(start_, state);
  try {
    plan_ = std::make_unique<const Plan>(plan_config());
  } catch (...) {
    start_ = before;
    plan_ = std::make_unique<const Plan>(plan_config());
    throw;
  }
  next_batch_ = 0;
  handed_early_.clear();
  phase_ = Phase::idle;
}

bool Engine::is_finished_locked() const {
  return generation_ != 0 && phase_ != Phase::idle && next_batch_ == plan_->batch_count();
}

bool Engine::is_finished() const {
  const std::scoped_lock lock(mutex_);
  return is_finished_locked();
}

bool Engine::is_running() const {
  const std::scoped_lock lock(mutex_);
  return phase_ == Phase::running && !is_finished_locked();
}

LoaderState Engine::state_locked() const {
  return plan_->state_unordered(next_batch_, handed_early_);
}

LoaderState Engine::state() const {
  const std::scoped_lock lock(mutex_);
  return state_locked();
}

AsyncDataLoaderStats Engine::stats() const {
  const std::scoped_lock lock(mutex_);
  AsyncDataLoaderStats stats = counts_;
  stats.is_running = phase_ == Phase::running && !is_finished_locked();
  stats.queued_batches = static_cast<std::size_t>(std::ranges::count_if(
      slots_, [](const Slot& slot) { return slot.state == Slot::State::ready; }));
  stats.queue_capacity = depth_;
  stats.workers = config_.workers;
  stats.generation = generation_;
  stats.read = read_time_.summary();
  stats.wait_for_slot = slot_wait_time_.summary();
  stats.copy = ship_time_.summary();
  stats.wait_for_batch = batch_wait_time_.summary();
  stats.handoff = handoff_time_.summary();
  memory_.report(stats);
  return stats;
}

std::shared_ptr<core::StreamState> Engine::resolve(const Stream& stream) const {
  auto state = core::ManagerAccess::pool(config_.memory_manager)->device_state().resolve(stream);
  if (state->is_capturing()) {
    throw Error(ErrorCode::invalid_argument,
                "A batch cannot be taken or released on a stream that is being captured.");
  }
  return state;
}

void Engine::recycle(std::unique_ptr<Lease> lease) noexcept {
  const std::scoped_lock lock(mutex_);
  if (spare_leases_.size() < spare_leases_.capacity()) {  // No more are ever wanted at once.
    spare_leases_.push_back(std::move(lease));
  }
  for (Slot& slot : slots_) {
    slot.retry = slot.retry || slot.lacks_memory();  // Also when an attempt is under way.
  }
  retry_.notify_all();
}

}  // namespace headrace::loader
