// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"

#include <atomic>
#include <numeric>
#include <thread>

namespace headrace::test {
namespace {

constexpr std::size_t kSamples = 1000;
constexpr std::size_t kThreads = 8;

/// Reads all samples from many threads, each in an order of its own; input i must be {i, i + 1}.
void expect_reads_from_threads(const SampleSource& source) {
  std::atomic<std::size_t> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t step = 0; step < kSamples; ++step) {
        const std::size_t index = (step * 7 + thread * 131) % kSamples;
        const auto value = static_cast<std::int32_t>(index);
        const Sample sample = read_sample(source, index);
        const bool is_right =
            elements_of<std::int32_t>(sample.input) ==
                std::vector<std::int32_t>{value, value + 1} &&
            elements_of<std::int32_t>(sample.label) == std::vector<std::int32_t>{-value};
        wrong += is_right ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0u);
}

class Threads : public testing::Test {
 protected:
  Threads() : inputs_(2 * kSamples), labels_(kSamples) {
    for (std::size_t i = 0; i < kSamples; ++i) {
      const auto value = static_cast<std::int32_t>(i);
      inputs_[2 * i] = value;
      inputs_[2 * i + 1] = value + 1;
      labels_[i] = -value;
    }
  }
  TempDir dir_;
  std::vector<std::int32_t> inputs_;
  std::vector<std::int32_t> labels_;
};

TEST_F(Threads, ReadNpyAtOnce) {
  write_npy(dir_ / "inputs.npy", {kSamples, 2}, inputs_);
  write_npy(dir_ / "labels.npy", {kSamples}, labels_);
  expect_reads_from_threads(*open_source(dir_.path()));
}

TEST_F(Threads, ReadSwappedIdxAtOnce) {
  write_file(dir_ / "a-images-idx2-int", idx_file(0x0C, {kSamples, 2}, reversed_bytes(inputs_)));
  write_file(dir_ / "a-labels-idx1-int", idx_file(0x0C, {kSamples}, reversed_bytes(labels_)));
  expect_reads_from_threads(*open_source(dir_.path()));
}

TEST_F(Threads, ReadASubsetAtOnce) {
  const auto all = open_memory(std::as_bytes(std::span(inputs_)),
                               std::as_bytes(std::span(labels_)),
                               {Shape{2}, DataType::int32, Shape{}, DataType::int32, {}});
  std::vector<std::uint64_t> indices(kSamples);
  std::iota(indices.rbegin(), indices.rend(), std::uint64_t{0});
  expect_reads_from_threads(*subset(subset(all, indices), indices));
}

}  // namespace
}  // namespace headrace::test
