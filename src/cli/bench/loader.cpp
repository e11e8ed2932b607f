// SPDX-License-Identifier: Apache-2.0
// The loader over samples in memory, shuffled, beside one thread that copies the same rows.
#include "headrace/loader.h"

#include "headrace/source.h"

#include "cli/bench/groups.h"

#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

constexpr std::int64_t kSide = 32;
constexpr std::size_t kRow = 3 * kSide * kSide;
constexpr std::size_t kSamples = 65536;
constexpr std::size_t kBatch = 256;

class Samples {
 public:
  Samples() : rows_(kSamples * kRow), batch_(kBatch * kRow) {
    std::mt19937_64 random(1);
    for (std::size_t at = 0; at < rows_.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t word = random();
      std::memcpy(&rows_[at], &word, sizeof(word));
    }
    for (std::size_t i = 0; i < kSamples; ++i) {
      order_.push_back(random() % kSamples);
    }
  }

  [[nodiscard]] std::shared_ptr<SampleSource> open() const {
    return open_memory(
        rows_,
        {},
        {.input_shape = {kSide, kSide, 3}, .input_dtype = DataType::uint8, .label_shape = {0}});
  }

  /// Copies as many rows, in random order, into one batch after the other.
  void copy() {
    std::size_t place = 0;
    for (const std::size_t row : order_) {
      std::memcpy(&batch_[place * kRow], &rows_[row * kRow], kRow);
      place = (place + 1) % kBatch;
    }
  }

 private:
  std::vector<std::byte> rows_;
  std::vector<std::byte> batch_;
  std::vector<std::size_t> order_;
};

/// What runs of the loader say of themselves.
struct Waits {
  std::vector<double> first_batch;  ///< Seconds, one a run; as those below.
  std::vector<double> handoff_p50;
  std::vector<double> handoff_p99;
};

/// A whole pass over the samples, `calls` times in one run.
Work passes(const Bench& bench, const Samples& samples, const OutputSpec& output, Waits& waits) {
  return [&bench, &samples, &waits, output](std::uint64_t calls) {
    AsyncDataLoader loader(samples.open(),
                           {.batch_size = kBatch,
                            .memory_manager = bench.memory,
                            .epochs = calls,
                            .shuffle = true,
                            .output = output});
    const Stream stream = bench.device.make_stream();
    const auto take = [&] {
      std::optional<GPUBatch> batch = loader.get_batch(stream);
      if (batch) {
        batch->release(stream);
      }
      return batch.has_value();
    };
    bool goes_on = true;
    const double first = time_of(1, [&] {
      loader.start();
      goes_on = take();
    });
    const double rest = time_of(1, [&] {
      while (goes_on) {
        goes_on = take();
      }
      stream.synchronize();
    });
    const AsyncDataLoaderStats stats = loader.stats();
    waits.first_batch.push_back(first);
    waits.handoff_p50.push_back(stats.handoff.p50_us / 1e6);
    waits.handoff_p99.push_back(stats.handoff.p99_us / 1e6);
    return first + rest;
  };
}

}  // namespace

void bench_loader(const Bench& bench) {
  Samples samples;
  const Work copies = [&](std::uint64_t calls) { return time_of(calls, [&] { samples.copy(); }); };
  const auto compare = [&](std::string name, const OutputSpec& output, Waits& waits) {
    const std::vector<double> times =
        seconds_a_call(bench.effort, {passes(bench, samples, output, waits), copies});
    bench.tell({"loader",
                std::move(name),
                Unit::samples_per_second,
                kSamples / times[0],
                "one thread's copy of the rows",
                kSamples / times[1]});
  };
  Waits waits;
  compare("3 KiB rows, shuffled", {}, waits);
  Waits of_expanded;
  compare("3 KiB rows, to normalised float16 CHW",
          {.dtype = DataType::float16, .layout = Layout::chw, .mean = {0.5}, .stddev = {0.25}},
          of_expanded);
  const auto tell_time = [&](std::string name, std::vector<double> times) {
    bench.tell({"loader", std::move(name), Unit::seconds, median(std::move(times)), "", 0});
  };
  tell_time("first batch after start", std::move(waits.first_batch));
  tell_time("hand-off of a ready batch, p50", std::move(waits.handoff_p50));
  tell_time("hand-off of a ready batch, p99", std::move(waits.handoff_p99));
}

}  // namespace headrace::cli
