// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <chrono>
#include <cstring>
#include <thread>

namespace headrace::test {

/// Samples that are their own numbers. Some take long, so that batches behind them are ready first.
class RankSource final : public SampleSource {
 public:
  explicit RankSource(std::size_t size) : size_(size) {}

  [[nodiscard]] SampleSpec spec() const override {
    return {.input_shape = {}, .input_dtype = DataType::uint64, .label_shape = {0}};
  }
  [[nodiscard]] std::size_t size() const override { return size_; }
  void read(const ReadContext& context, SampleView& into) const override {
    if (context.index % 16 == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::memcpy(into.input.data(), &context.index, sizeof(context.index));
  }

 private:
  std::size_t size_;
};

}  // namespace headrace::test
