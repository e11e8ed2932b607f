// SPDX-License-Identifier: Apache-2.0
#include "loader/plan.h"

#include "headrace/error.h"

#include "loader/early_ranges.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <tuple>

namespace headrace::loader {
namespace {

constexpr std::uint64_t kMaxPlaces = Permutation::kMaxSize;
constexpr std::uint64_t kMaxCount = kMaxPlaces - 1;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

void check_at_most(const char* name, std::uint64_t value, std::uint64_t limit) {
  if (value > limit) {
    refuse("Plan: " + std::string(name) + " " + std::to_string(value) + " exceeds the limit of " +
           std::to_string(limit) + ".");
  }
}

void check(const PlanConfig& config) {
  check_at_most("samples", config.samples, kMaxPlaces);
  check_at_most("epochs", config.epochs, kMaxCount);
  check_at_most("start.epoch", config.start.epoch, kMaxCount);
  check_at_most("start.batch_id", config.start.batch_id, kMaxCount);
  if (config.batch_size == 0) {
    refuse("Plan: batch_size 0 is below the least value, 1.");
  }
  if (config.world_size == 0) {
    refuse("Plan: world_size 0 is below the least value, 1.");
  }
  if (config.rank >= config.world_size) {
    refuse("Plan: rank " + std::to_string(config.rank) + " is not below world_size " +
           std::to_string(config.world_size) + ".");
  }
  if (config.batch_size > kMaxPlaces / config.world_size) {
    refuse("Plan: world_size " + std::to_string(config.world_size) + " times batch_size " +
           std::to_string(config.batch_size) + " exceeds the limit of 2^63.");
  }
  if (const std::string fault = fault_of(config.start, config.samples); !fault.empty()) {
    refuse("Plan: the start state contradicts itself. " + fault);
  }
}

// `first` + `epochs` * `steps`.
std::uint64_t add_batches(std::uint64_t first, std::uint64_t epochs, std::uint64_t steps) {
  if (steps != 0 && epochs > (kMaxCount - first) / steps) {
    refuse("Plan: " + std::to_string(epochs) + " epochs of " + std::to_string(steps) +
           " batches exceed the limit of " + std::to_string(kMaxCount) + " batches.");
  }
  return first + epochs * steps;
}

}  // namespace

Plan::Plan(const PlanConfig& config) : config_(config) {
  check(config);
  step_size_ = config.world_size * config.batch_size;
  whole_steps_ = steps_of(config.samples);
  lay_out();
}

std::uint64_t Plan::steps_of(std::uint64_t places) const noexcept {
  const bool has_short_step = config_.tail != Tail::drop && places % step_size_ != 0;
  return places / step_size_ + (has_short_step ? 1 : 0);
}

void Plan::append_part(std::uint64_t epoch,
                       std::uint64_t base,
                       std::uint64_t first_batch,
                       std::span<const LoaderState::Early> early) {
  const std::size_t gap_begin = gaps_.size();
  std::uint64_t skipped = 0;
  for (const LoaderState::Early& range : early) {
    const std::uint64_t position = range.begin - base - skipped;
    skipped += range.end - range.begin;
    gaps_.push_back({.position = position, .skipped = skipped});
  }
  const std::uint64_t remaining = config_.samples - base - skipped;
  parts_.push_back({.epoch = epoch,
                    .first_batch = first_batch,
                    .steps = steps_of(remaining),
                    .base = base,
                    .remaining = remaining,
                    .gap_begin = gap_begin,
                    .gap_end = gaps_.size()});
}

void Plan::lay_out() {
  const LoaderState& start = config_.start;
  const bool endless = config_.epochs == 0;
  if (endless && whole_steps_ == 0) {
    refuse("Plan: an endless loader needs a batch in every epoch; " +
           std::to_string(config_.samples) + " samples make none of " +
           std::to_string(config_.world_size) + " x " + std::to_string(config_.batch_size) + ".");
  }
  if (!endless && start.epoch >= config_.epochs) {
    return;
  }
  std::uint64_t epoch = start.epoch;  // First one without a part.
  std::uint64_t first_batch = 0;
  auto range = start.early.begin();
  do {
    const std::uint64_t next = parts_.empty() ? start.epoch : range->epoch;
    const auto end = std::find_if(
        range, start.early.end(), [next](const auto& other) { return other.epoch != next; });
    first_batch = add_batches(first_batch, next - epoch, whole_steps_);
    append_part(next, next == start.epoch ? start.place : 0, first_batch, {range, end});
    first_batch = add_batches(first_batch, 1, parts_.back().steps);
    epoch = next + 1;
    range = end;
  } while (range != start.early.end() && (endless || range->epoch < config_.epochs));
  batch_count_ =
      endless ? kEndless : add_batches(first_batch, config_.epochs - epoch, whole_steps_);
}

void Plan::check_batch(std::uint64_t b) const {
  if (b >= std::min(batch_count_, kMaxPlaces)) {
    refuse("Plan: batch " + std::to_string(b) + " does not exist; there are " +
           std::to_string(batch_count_) + ".");
  }
}

Plan::Part Plan::part_of(std::uint64_t b) const noexcept {
  const auto after = std::ranges::upper_bound(parts_, b, {}, &Part::first_batch);
  const Part& part = *(after - 1);
  if (b - part.first_batch < part.steps) {
    return part;
  }
  const std::uint64_t first_whole = part.first_batch + part.steps;
  const std::uint64_t epochs = (b - first_whole) / whole_steps_;
  return {.epoch = part.epoch + 1 + epochs,
          .first_batch = first_whole + epochs * whole_steps_,
          .steps = whole_steps_,
          .base = 0,
          .remaining = config_.samples,
          .gap_begin = 0,
          .gap_end = 0};
}

PlannedBatch Plan::batch(std::uint64_t b) const {
  check_batch(b);
  const Part part = part_of(b);
  const std::uint64_t step = b - part.first_batch;
  PlannedBatch batch{.id = config_.start.batch_id + b,
                     .epoch = part.epoch,
                     .step = step,
                     .step_first = step * step_size_,
                     .route = {.base = part.base,
                               .gap_begin = part.gap_begin,
                               .gap_end = part.gap_end,
                               .order = epoch_order(part.epoch)}};
  batch.step_valid = std::min(step_size_, part.remaining - batch.step_first);
  const std::uint64_t share = batch.step_valid / config_.world_size;
  const std::uint64_t extra = batch.step_valid % config_.world_size;
  batch.first = batch.step_first + config_.rank * share + std::min(config_.rank, extra);
  batch.valid = share + (config_.rank < extra ? 1 : 0);
  batch.rows = config_.tail == Tail::short_batch ? batch.valid : config_.batch_size;
  batch.read_rows = config_.tail == Tail::pad_repeat ? batch.rows : batch.valid;
  return batch;
}

std::uint64_t Plan::place_at(const PlannedBatch::Route& route,
                             std::uint64_t position) const noexcept {
  const std::span gaps = std::span(gaps_).subspan(route.gap_begin, route.gap_end - route.gap_begin);
  const auto after = std::ranges::upper_bound(gaps, position, {}, &Gap::position);
  return route.base + position + (after == gaps.begin() ? 0 : (after - 1)->skipped);
}

std::uint64_t Plan::place(const PlannedBatch& batch, std::uint64_t row) const noexcept {
  assert(row < batch.read_rows);
  std::uint64_t position = batch.first + row;
  if (row >= batch.valid) {
    position = batch.valid > 0 ? batch.first + row % batch.valid
                               : batch.step_first + row % batch.step_valid;
  }
  return place_at(batch.route, position);
}

std::uint64_t Plan::sample(const PlannedBatch& batch, std::uint64_t row) const noexcept {
  const std::uint64_t at = place(batch, row);
  return config_.shuffle ? batch.route.order(at) : at;
}

Permutation Plan::epoch_order(std::uint64_t epoch) const {
  return {config_.samples, mix(config_.seed, epoch)};
}

std::uint64_t Plan::random_key(std::uint64_t epoch, std::uint64_t index) const noexcept {
  return mix(config_.seed, epoch, index);
}

LoaderState Plan::state_after(std::uint64_t b) const {
  check_batch(b);
  return state_unordered(b + 1, {});
}

LoaderState Plan::state_unordered(std::uint64_t next, std::span<const std::uint64_t> later) const {
  if (next > 0) {
    check_batch(next - 1);
  }
  LoaderState state = config_.start;
  state.dataset_size = config_.samples;
  state.fingerprint = config_.fingerprint;
  state.seed = config_.seed;
  state.shuffle = config_.shuffle;
  if (next > 0 && next == batch_count_) {
    state.epoch = config_.epochs;
    state.place = 0;
  } else if (next > 0) {
    const PlannedBatch first = batch(next);
    state.epoch = first.epoch;
    state.place = place_at(first.route, first.step_first);
  }
  std::uint64_t end = next;
  for (const std::uint64_t b : later) {
    const PlannedBatch batch = this->batch(b);
    end = std::max(end, b + 1);
    if (batch.valid > 0) {
      state.early.push_back({.epoch = batch.epoch,
                             .begin = place_at(batch.route, batch.first),
                             .end = place_at(batch.route, batch.first + batch.valid - 1) + 1});
    }
  }
  join(state.early);
  state.batch_id += end;
  std::erase_if(state.early, [&state](const LoaderState::Early& range) {
    return std::tie(range.epoch, range.begin) < std::tie(state.epoch, state.place);
  });
  return state;
}

}  // namespace headrace::loader
