// SPDX-License-Identifier: Apache-2.0
// The loader over samples in memory, shuffled, beside one thread that copies the same rows.
#include "headrace/loader.h"

#include "headrace/source.h"

#include "cli/bench/groups.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
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

/// A loader of the samples, shuffled, for so many passes over them.
AsyncDataLoader loader_of(const Bench& bench,
                          const Samples& samples,
                          const OutputSpec& output,
                          std::uint64_t passes) {
  return {samples.open(),
          {.batch_size = kBatch,
           .memory_manager = bench.memory,
           .epochs = passes,
           .shuffle = true,
           .output = output}};
}

/// Takes a batch and gives it back at once. \returns Whether there was one.
bool pass_by(AsyncDataLoader& loader, const Stream& stream) {
  std::optional<GPUBatch> batch = loader.get_batch(stream);
  if (batch) {
    batch->release(stream);
  }
  return batch.has_value();
}

/// A whole pass over the samples, `calls` times in one run.
Work passes(const Bench& bench, const Samples& samples, const OutputSpec& output) {
  return [&bench, &samples, output](std::uint64_t calls) {
    AsyncDataLoader loader = loader_of(bench, samples, output, calls);
    const Stream stream = bench.device.make_stream();
    return time_of(1, [&] {
      loader.start();
      while (pass_by(loader, stream)) {
      }
      stream.synchronize();
    });
  };
}

/// The start of a loader until its first batch is there.
Work first_batches(const Bench& bench, const Samples& samples) {
  return [&bench, &samples](std::uint64_t calls) {
    const Stream stream = bench.device.make_stream();
    double seconds = 0;
    for (std::uint64_t i = 0; i < calls; ++i) {
      AsyncDataLoader loader = loader_of(bench, samples, {}, 1);
      seconds += time_of(1, [&] {
        loader.start();
        pass_by(loader, stream);
      });
    }
    return seconds;
  };
}

/// What each of many calls takes that find a batch ready, in rising order.
std::vector<double> handoffs(const Bench& bench, const Samples& samples) {
  constexpr std::size_t kHandoffs = 2000;
  AsyncDataLoader loader = loader_of(bench, samples, {}, 0);
  const Stream stream = bench.device.make_stream();
  loader.start();
  std::vector<double> seconds;
  seconds.reserve(kHandoffs);
  while (seconds.size() < kHandoffs) {
    while (loader.stats().queued_batches == 0) {
      std::this_thread::yield();
    }
    std::optional<GPUBatch> batch;
    seconds.push_back(time_of(1, [&] { batch = loader.get_batch(stream); }));
    if (batch) {  // Always: the epochs have no end.
      batch->release(stream);
    }
  }
  loader.stop();
  std::ranges::sort(seconds);
  return seconds;
}

}  // namespace

void bench_loader(const Bench& bench) {
  Samples samples;
  const Work copies = [&](std::uint64_t calls) { return time_of(calls, [&] { samples.copy(); }); };
  const auto compare = [&](std::string name, const OutputSpec& output) {
    const std::vector<double> times =
        seconds_a_call(bench.effort, {passes(bench, samples, output), copies});
    bench.tell({"loader",
                std::move(name),
                Unit::samples_per_second,
                kSamples / times[0],
                "one thread's copy of the rows",
                kSamples / times[1]});
  };
  compare("3 KiB rows, shuffled", {});
  compare("3 KiB rows, to normalised float16 CHW",
          {.dtype = DataType::float16, .layout = Layout::chw, .mean = {0.5}, .stddev = {0.25}});
  const auto tell_time = [&](std::string name, double seconds) {
    bench.tell({"loader", std::move(name), Unit::seconds, seconds, "", 0});
  };
  tell_time("first batch after start",
            seconds_a_call(bench.effort, {first_batches(bench, samples)})[0]);
  const std::vector<double> waits = handoffs(bench, samples);
  tell_time("hand-off of a ready batch, p50", waits[waits.size() / 2]);
  tell_time("hand-off of a ready batch, p99", waits[waits.size() * 99 / 100]);
}

}  // namespace headrace::cli
