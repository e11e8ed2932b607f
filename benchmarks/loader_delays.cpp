// SPDX-License-Identifier: Apache-2.0
// What benchmarks/peers asks of the loader that `headrace stream` has no option for. Prints JSON.
//
//   headrace_loader_delays slow WORKERS SAMPLES MICROSECONDS SECONDS ordered|unordered
//     Samples that sleep, one in 50 of them for as long as 20 others, in batches of 32: the rate.
//   headrace_loader_delays waits PATH WORKERS BATCH PAUSE_MS HANDOFFS
//     What a consumer waits for that pauses between batches, as peers/measures.py has it.
//   headrace_loader_delays exposed PATH WORKERS BATCH PAUSE_US BATCHES IMAGE_SIDE
//     The part of its time that such a consumer waits. IMAGE_SIDE: of squares to resize to; 0:
//     none.
#include "headrace/headrace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using headrace::AsyncDataLoader;
using headrace::AsyncDataLoaderConfig;
using headrace::GPUBatch;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;
using Microseconds = std::chrono::duration<double, std::micro>;

/// Samples that hold their own number.
class SleepySource final : public headrace::SampleSource {
 public:
  SleepySource(std::size_t size, std::chrono::microseconds nap) : size_(size), nap_(nap) {}

  [[nodiscard]] headrace::SampleSpec spec() const override {
    return {.input_shape = {},
            .input_dtype = headrace::DataType::int64,
            .label_shape = {},
            .label_dtype = headrace::DataType::int64};
  }
  [[nodiscard]] std::size_t size() const override { return size_; }

  void read(const headrace::ReadContext& context, headrace::SampleView& into) const override {
    std::this_thread::sleep_for(context.index % 50 == 0 ? 20 * nap_ : nap_);
    std::memcpy(into.input.data(), &context.index, sizeof context.index);
    std::memcpy(into.label.data(), &context.index, sizeof context.index);
  }

 private:
  std::size_t size_;
  std::chrono::microseconds nap_;
};

AsyncDataLoaderConfig endless(const std::string& workers, std::size_t batch_size) {
  AsyncDataLoaderConfig config;
  config.batch_size = batch_size;
  config.workers = std::stoull(workers);
  config.memory_manager = headrace::MemoryManager(headrace::open_device("host"));
  config.epochs = 0;
  config.shuffle = true;
  return config;
}

double rate(AsyncDataLoader& loader, std::size_t pass, double seconds) {
  loader.start();
  std::uint64_t samples = 0;
  Clock::time_point begin;
  while (std::optional<GPUBatch> batch = loader.get_batch()) {
    samples += static_cast<std::uint64_t>(batch->valid_count);
    if (samples == pass) {
      begin = Clock::now();  // the first pass is not counted
    }
    const double taken = std::chrono::duration<double>(Clock::now() - begin).count();
    if (samples > pass && samples % pass == 0 && taken >= seconds) {
      return static_cast<double>(samples - pass) / taken;
    }
  }
  return 0;
}

int slow(const std::vector<std::string>& arguments) {
  const std::size_t samples = std::stoull(arguments.at(1));
  const std::chrono::microseconds nap(std::stoll(arguments.at(2)));
  AsyncDataLoaderConfig config = endless(arguments.at(0), 32);
  config.ordered = arguments.at(4) == "ordered";
  AsyncDataLoader loader(std::make_shared<SleepySource>(samples, nap), config);
  fmt::print("{{\"samples_per_second\": {}}}\n", rate(loader, samples, std::stod(arguments.at(3))));
  return 0;
}

/// A consumer that pauses before it asks for a batch, so that one is ready.
class Consumer {
 public:
  Consumer(AsyncDataLoader& loader, std::chrono::microseconds pause)
      : loader_(loader), pause_(pause) {}

  /// How long one batch takes; the one before it is given back after that.
  Clock::duration take() {
    const Clock::time_point begin = Clock::now();
    GPUBatch batch = loader_.get_batch().value();
    const Clock::duration taken = Clock::now() - begin;
    last_ = std::move(batch);
    return taken;
  }

  Clock::duration pause_and_take(int pauses = 1) {
    std::this_thread::sleep_for(pauses * pause_);
    return take();
  }

  /// Takes the rest of a pass; returns how long the first batch of the next one takes.
  Clock::duration gap() {
    const std::uint64_t epoch = last_.epoch;
    const std::uint64_t left = pass_ - 1 - last_.batch_id % pass_;
    for (std::uint64_t batch = 0; batch < left; ++batch) {
      take();
    }
    const Clock::duration taken = pause_and_take(5);
    if (last_.epoch != epoch + 1) {
      throw std::logic_error("A pass has another number of batches than was thought.");
    }
    return taken;
  }

  void set_pass(std::uint64_t batches) { pass_ = batches; }

 private:
  AsyncDataLoader& loader_;
  std::chrono::microseconds pause_;
  std::uint64_t pass_ = 0;
  GPUBatch last_;
};

double milliseconds(Clock::duration duration) {
  return Milliseconds(duration).count();
}

int waits(const std::vector<std::string>& arguments) {
  const std::shared_ptr<headrace::SampleSource> source = headrace::open_source(arguments.at(0));
  const std::size_t batch_size = std::stoull(arguments.at(2));
  const std::chrono::milliseconds pause(std::stoll(arguments.at(3)));
  const std::size_t handoffs = std::stoull(arguments.at(4));
  AsyncDataLoader loader(source, endless(arguments.at(1), batch_size));
  Consumer consumer(loader, pause);
  consumer.set_pass((source->size() + batch_size - 1) / batch_size);

  const Clock::time_point begin = Clock::now();
  loader.start();
  consumer.take();
  const Clock::duration first = Clock::now() - begin;
  std::vector<Clock::duration> times(handoffs);
  std::ranges::generate(times, [&] { return consumer.pause_and_take(); });
  std::ranges::sort(times);
  std::array<Clock::duration, 3> gaps{};
  std::ranges::generate(gaps, [&] { return consumer.gap(); });
  std::ranges::sort(gaps);
  std::this_thread::sleep_for(20 * pause);
  const Clock::time_point asked = Clock::now();
  loader.stop();
  const Clock::duration stop = Clock::now() - asked;

  fmt::print(
      "{{\"first_batch_ms\": {}, \"handoff_p50_us\": {}, \"handoff_p99_us\": {}, "
      "\"epoch_gap_ms\": {}, \"stop_ms\": {}}}\n",
      milliseconds(first),
      Microseconds(times.at(handoffs / 2)).count(),
      Microseconds(times.at(handoffs * 99 / 100)).count(),
      milliseconds(gaps[1]),
      milliseconds(stop));
  return 0;
}

int exposed(const std::vector<std::string>& arguments) {
  headrace::SourceOptions options;
  if (const std::uint64_t side = std::stoull(arguments.at(5)); side != 0) {
    options.image_size = {.width = side, .height = side};
  }
  const std::chrono::microseconds pause(std::stoll(arguments.at(3)));
  AsyncDataLoader loader(headrace::open_source(arguments.at(0), options),
                         endless(arguments.at(1), std::stoull(arguments.at(2))));
  loader.start();
  Consumer consumer(loader, pause);
  consumer.take();
  const Clock::time_point begin = Clock::now();
  Clock::duration waited{};
  for (std::uint64_t batch = std::stoull(arguments.at(4)); batch > 0; --batch) {
    waited += consumer.pause_and_take();
  }
  fmt::print("{{\"exposed_wait\": {}}}\n",
             milliseconds(waited) / milliseconds(Clock::now() - begin));
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (arguments.at(0) == "slow") {
    return slow(rest);
  }
  if (arguments.at(0) == "waits") {
    return waits(rest);
  }
  if (arguments.at(0) == "exposed") {
    return exposed(rest);
  }
  throw std::invalid_argument("'" + arguments.at(0) + "' is none of slow, waits and exposed.");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + std::min(argc, 1), argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "headrace_loader_delays: {}\n", error.what());
    return 1;
  }
}
