// SPDX-License-Identifier: Apache-2.0
// The workers' calls of the source: rows that are wanted now, and those that will be.
#include "headrace/error.h"

#include "loader/engine.h"
#include "loader/read_failure.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace headrace::loader {

namespace {

/// Whether this thread reads from storage meanwhile.
class StorageWatch {
 public:
  explicit StorageWatch(const sources::FileBacked* files) noexcept
      : files_(files), reads_(reads()) {}

  [[nodiscard]] bool was_read() const noexcept { return reads() != reads_; }

 private:
  [[nodiscard]] std::uint64_t reads() const noexcept {
    return files_ != nullptr ? files_->storage_reads() : 0;
  }

  const sources::FileBacked* files_;
  std::uint64_t reads_;
};

std::span<std::byte> row_of(const Slot& slot, const BatchLayout::Part& part, std::size_t row) {
  return {slot.host() + part.offset + row * part.row_bytes, part.row_bytes};
}

}  // namespace

void Engine::ask_ahead(const Slot& slot, Lock& lock) {
  if (files_ == nullptr) {
    return;
  }
  const ReadAhead::Range batches =
      read_ahead_.open(slot.batch, plan_->batch_count(), slot.plan.read_rows);
  const Clock::time_point begin = Clock::now();
  for (std::uint64_t b = batches.begin; b < batches.end; ++b) {
    const PlannedBatch batch = plan_->batch(b);
    for (std::uint64_t row = 0; row < batch.read_rows; row += kAskedAtOnce) {
      if (!read_ahead_.is_needed() || phase_ != Phase::running) {
        return;
      }
      ask_for(batch, row, lock);
    }
  }
  if (batches.begin != batches.end) {
    read_time_.add(Clock::now() - begin);
  }
}

void Engine::ask_for(const PlannedBatch& batch, std::uint64_t row, Lock& lock) {
  lock.unlock();
  std::array<std::uint64_t, kAskedAtOnce> samples{};
  const std::uint64_t count = std::min(kAskedAtOnce, batch.read_rows - row);
  for (std::uint64_t i = 0; i < count; ++i) {
    samples[i] = plan_->sample(batch, row + i);
  }
  const StorageWatch storage(files_);
  files_->will_need(std::span(samples).first(count));
  const bool was_read = storage.was_read();
  lock.lock();
  read_ahead_.note_asked(count, was_read);
}

void Engine::read_chunk(const Chunk& chunk,
                        SampleView& view,
                        Lock& lock,
                        const std::string& track) {
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  const StorageWatch storage(files_);
  std::vector<RowFailure> failures;
  std::size_t tried = 0;
  std::exception_ptr error;  // Not of a row: there was no memory to note a row's failure in.
  try {
    read_rows(chunk, view, failures, tried);
  } catch (...) {
    error = std::current_exception();
  }
  const bool missed = storage.was_read();
  const Clock::time_point end = Clock::now();
  lock.lock();
  Slot& slot = *chunk.slot;
  read_time_.add(end - begin);
  if (tried != 0) {
    row_time_ += ((end - begin) / static_cast<std::int64_t>(tried) - row_time_) / 4;
  }
  if (missed) {
    read_ahead_.note_missed();
  }
  trace(track, "read", begin, end, slot.plan.id);
  if (stopping_) {
    return;  // Rows may be missing, and nobody will ask for the batch.
  }
  try {
    std::ranges::move(failures, std::back_inserter(slot.failures));
  } catch (...) {
    error = std::current_exception();
  }
  slot.error = error ? error : slot.error;
  slot.rows_done += chunk.end - chunk.begin;
  if (slot.rows_done == slot.plan.read_rows) {
    ship(slot, lock);
  }
}

void Engine::read_rows(const Chunk& chunk,
                       SampleView& view,
                       std::vector<RowFailure>& failures,
                       std::size_t& tried) const {
  const PlannedBatch& plan = chunk.slot->plan;
  std::uint64_t next = plan_->sample(plan, chunk.begin);
  for (std::size_t row = chunk.begin; row < chunk.end && !stopping_; ++row) {
    const std::uint64_t sample = next;
    if (row + 1 < chunk.end) {
      next = plan_->sample(plan, row + 1);
      prefetch(next);
    }
    ++tried;
    try {
      read_row(chunk, row, sample, view);
    } catch (...) {
      failures.push_back(sample_failure(row, sample, source_name_));
      if (config_.on_error == OnError::raise) {
        return;
      }
    }
  }
}

void Engine::prefetch(std::uint64_t sample) const noexcept {
  if (files_ != nullptr) {
    files_->prefetch(sample);
  }
}

void Engine::read_row(const Chunk& chunk,
                      std::size_t row,
                      std::uint64_t sample,
                      SampleView& view) const {
  const Slot& slot = *chunk.slot;
  if (row < slot.plan.valid) {
    slot.lease->ids[row] = sample;
  }
  const std::vector<BatchLayout::Part>& parts = slot.layout->parts();
  view.input = row_of(slot, parts[0], row);
  view.label = row_of(slot, parts[1], row);
  view.fields.clear();
  for (std::size_t part = 2; part < parts.size(); ++part) {
    view.fields.push_back(row_of(slot, parts[part], row));
  }
  const std::uint64_t key = plan_->random_key(slot.plan.epoch, sample);
  source_->read({.index = sample, .epoch = slot.plan.epoch, .random_key = key}, view);
}

}  // namespace headrace::loader
