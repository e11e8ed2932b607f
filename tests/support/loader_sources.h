// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sources whose every value tells which sample it is, and which do on request what real ones do by
// accident: fail, block, take long.

#include "headrace/error.h"
#include "headrace/loader.h"
#include "headrace/source.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

namespace headrace::testing {

/// A door that threads wait at until it is opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// Waits until `count` threads stand at the door.
  void wait_for_waiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, count] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

/// Samples of three int32 (index, index + 1, index + 2), label the index, field "key" the random
/// key.
class CountingSource : public SampleSource {
 public:
  explicit CountingSource(std::size_t size) : size_(size) {}

  [[nodiscard]] SampleSpec spec() const override {
    return {.input_shape = Shape{3},
            .input_dtype = DataType::int32,
            .label_shape = {},
            .label_dtype = DataType::int64,
            .fields = {{"key", {}, DataType::uint64}}};
  }
  [[nodiscard]] std::size_t size() const override { return size_; }
  [[nodiscard]] std::string name() const override { return "counting.dat"; }

  void read(const ReadContext& context, SampleView& into) const override {
    if (on_read) {
      on_read(context);
    }
    if (failing.contains(context.index)) {
      throw Error(ErrorCode::corrupt_data, "row is torn at offset 12");
    }
    const auto index = static_cast<std::int32_t>(context.index);
    const std::int32_t values[3] = {index, index + 1, index + 2};
    const auto label = static_cast<std::int64_t>(context.index);
    std::memcpy(into.input.data(), values, sizeof values);
    std::memcpy(into.label.data(), &label, sizeof label);
    std::memcpy(into.fields.at(0).data(), &context.random_key, sizeof context.random_key);
    reads.fetch_add(1);
  }

  std::set<std::uint64_t> failing;
  std::function<void(const ReadContext&)> on_read;
  mutable std::atomic<std::uint64_t> reads{0};

 private:
  std::size_t size_;
};

/// Serial samples of two floats (index, -index), label [index, 7, 9]: three label values a sample.
class CountingSerialSource : public DataSource {
 public:
  explicit CountingSerialSource(std::size_t size) : size_(size) {}

  std::optional<SourceBatch> get_batch(std::size_t n) override {
    const int inside = ++calls_inside_;
    overlapped = overlapped || inside != 1;
    const auto leave = std::unique_ptr<std::atomic<int>, void (*)(std::atomic<int>*)>(
        &calls_inside_, [](std::atomic<int>* count) { --*count; });
    if (on_get) {
      on_get(position_);
    }
    n = std::min(n, size_ - position_);
    if (n == 0) {
      return std::nullopt;
    }
    SourceBatch batch;
    for (std::size_t i = 0; i < n; ++i, ++position_) {
      const auto value = static_cast<float>(position_);
      batch.input.insert(batch.input.end(), {value, -value});
      batch.labels.insert(batch.labels.end(), {value, 7.0F, 9.0F});
    }
    batch.input_shape = {n, std::size_t{2}};
    batch.label_shape = {n, std::size_t{3}};
    return batch;
  }
  [[nodiscard]] std::size_t size() const override { return size_; }
  void reset() override {
    position_ = 0;
    ++resets;
  }

  std::function<void(std::size_t)> on_get;
  std::atomic<bool> overlapped{false};
  std::atomic<int> resets{0};

 private:
  std::size_t size_;
  std::size_t position_ = 0;
  std::atomic<int> calls_inside_{0};
};

/// The labels of a batch of CountingSource, checked against its other values.
inline std::vector<std::int64_t> checked_labels(const GPUBatch& batch) {
  std::vector<std::int64_t> labels = batch.label_tensor.to_vector<std::int64_t>();
  const std::vector<std::int32_t> inputs = batch.input_tensor.to_vector<std::int32_t>();
  for (std::size_t row = 0; row < labels.size(); ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      if (inputs.at(row * 3 + column) != labels[row] + static_cast<std::int64_t>(column)) {
        throw Error(ErrorCode::internal, "an input is not of the sample that its label names");
      }
    }
  }
  return labels;
}

/// All labels that a loader still has to give.
inline std::vector<std::int64_t> drain(AsyncDataLoader& loader) {
  std::vector<std::int64_t> all;
  while (std::optional<GPUBatch> batch = loader.get_batch()) {
    const std::vector<std::int64_t> labels = checked_labels(*batch);
    all.insert(all.end(), labels.begin(), labels.end());
  }
  return all;
}

}  // namespace headrace::testing
