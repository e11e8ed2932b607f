// SPDX-License-Identifier: Apache-2.0
#include "loader/serial_feed.h"

#include "headrace/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::loader {

SerialFeed::SerialFeed(std::shared_ptr<DataSource> source, const std::atomic<bool>& stopping)
    : source_(std::move(source)), stopping_(stopping) {}

void SerialFeed::begin(std::size_t batch_size) {
  const std::scoped_lock lock(mutex_);
  turn_ = 0;
  batch_size_ = batch_size;
  in_step_ = false;  // Others may have read from the source.
}

std::optional<SourceBatch> SerialFeed::take(std::uint64_t b,
                                            const PlannedBatch& plan,
                                            std::uint64_t place) {
  {
    std::unique_lock lock(mutex_);
    turn_changed_.wait(lock, [this, b] { return turn_ == b || stopping_; });
  }
  if (stopping_) {
    return std::nullopt;
  }
  const Turn turn(*this);
  if (!std::exchange(in_step_, false)) {
    go_to(place);
  } else if (plan.step == 0) {
    source_->reset();
  }
  if (stopping_) {
    return std::nullopt;
  }
  std::optional<SourceBatch> batch = source_->get_batch(plan.valid);
  if (!batch) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("The source ended before batch {}, though its size is {} samples.",
                            plan.id,
                            source_->size()));
  }
  check(*batch, plan);
  in_step_ = true;
  return batch;
}

SerialFeed::Turn::~Turn() {
  const std::scoped_lock lock(feed_.mutex_);
  ++feed_.turn_;
  feed_.turn_changed_.notify_all();
}

void SerialFeed::go_to(std::uint64_t place) {
  source_->reset();
  for (std::uint64_t skipped = 0; skipped < place && !stopping_;) {
    const auto step = std::min<std::uint64_t>(batch_size_, place - skipped);
    if (!source_->get_batch(step)) {
      throw Error(
          ErrorCode::corrupt_data,
          fmt::format("The source ended at sample {}; sample {} is wanted.", skipped, place));
    }
    skipped += step;
  }
}

void SerialFeed::check(const SourceBatch& batch, const PlannedBatch& plan) {
  const auto rows = static_cast<std::int64_t>(plan.valid);
  const bool input_fits = !batch.input_shape.empty() && batch.input_shape[0] == rows &&
                          std::cmp_equal(batch.input.size(), batch.input_shape.element_count());
  const bool labels_fit = batch.labels.empty() ||
                          (!batch.label_shape.empty() && batch.label_shape[0] == rows &&
                           std::cmp_equal(batch.labels.size(), batch.label_shape.element_count()));
  if (!input_fits || !labels_fit) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("The source gave {} inputs of shape {} and {} labels of shape {} for a "
                            "batch of {} samples.",
                            batch.input.size(),
                            batch.input_shape.to_string(),
                            batch.labels.size(),
                            batch.label_shape.to_string(),
                            rows));
  }
}

void SerialFeed::end() {
  const std::scoped_lock lock(mutex_);
  turn_changed_.notify_all();
}

}  // namespace headrace::loader
