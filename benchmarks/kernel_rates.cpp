// SPDX-License-Identifier: Apache-2.0
// Every conversion and the fused expansion of images on a device, beside the device's own copy:
// bytes read and written a second, medians of interleaved rounds over random data beyond every
// cache.
//
// usage: headrace_kernel_rates [DEVICE [MiB]]
#include "headrace/headrace.h"

#include "core/access.h"
#include "core/storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace headrace;

constexpr int kRounds = 7;
constexpr int kRepeats = 20;

/// Device memory of any bits, `bytes` of them.
Tensor random_memory(const MemoryManager& manager, std::int64_t bytes) {
  std::vector<std::uint64_t> words(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t));
  std::ranges::generate(words, std::mt19937_64(words.size()));
  Tensor memory(manager, {static_cast<std::int64_t>(words.size())}, DataType::uint64);
  memory.copy_from(words);
  return memory;
}

/// The same of float32 from 0 to 1, as images have them.
Tensor random_floats(const MemoryManager& manager, std::int64_t bytes) {
  std::vector<float> values(static_cast<std::size_t>(bytes) / sizeof(float));
  std::ranges::generate(values, [engine = std::minstd_rand()]() mutable {
    return static_cast<float>(engine()) / static_cast<float>(std::minstd_rand::max());
  });
  Tensor memory(manager, {static_cast<std::int64_t>(values.size())}, DataType::float32);
  memory.copy_from(values);
  return memory;
}

using Record = std::function<Command()>;

class Rates {
 public:
  explicit Rates(const Device& device) : stream_(device.make_stream()) {}

  /// Seconds of one `command`, measured over some in a row.
  double time(const Record& command) {
    auto submission = std::make_shared<Submission>();
    for (int i = 0; i < kRepeats; ++i) {
      submission->commands.push_back(command());
    }
    const auto begin = std::chrono::steady_clock::now();
    core::StreamAccess::state(stream_)->submit(std::move(submission));
    stream_.synchronize();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    return took.count() / kRepeats;
  }

  /// Keeps the device busy until its clocks are up.
  void warm_up(const Record& command) {
    double spent = 0;
    while (spent < 1) {
      spent += time(command) * kRepeats;
    }
  }

  /// Prints what `command`, which moves `bytes`, reaches beside a copy that moves as many.
  double compare(const std::string& name,
                 std::int64_t bytes,
                 const Record& command,
                 const Record& copy) {
    std::vector<double> ours;
    std::vector<double> copies;
    time(command);
    time(copy);
    for (int round = 0; round < kRounds; ++round) {
      ours.push_back(time(command));
      copies.push_back(time(copy));
    }
    std::ranges::sort(ours);
    std::ranges::sort(copies);
    const double rate = static_cast<double>(bytes) / ours[kRounds / 2];
    const double copied = static_cast<double>(bytes) / copies[kRounds / 2];
    fmt::print("{:<44} {:8.1f} GB/s  {:8.1f} GB/s  {:5.3f}\n",
               name,
               rate / 1e9,
               copied / 1e9,
               rate / copied);
    return rate / copied;
  }

 private:
  Stream stream_;
};

/// What everything is measured on.
struct Memory {
  Tensor from;
  Tensor to;
  std::int64_t bytes;

  /// The device's copy of about `moved` / 2 bytes, all of it at round places.
  [[nodiscard]] Record copy(std::int64_t moved) const {
    return [this, moved] {
      return Command{CopyCommand{core::memory_of(from),
                                 core::memory_of(to),
                                 static_cast<std::size_t>(moved / 2) & ~std::size_t{255}},
                     "copy"};
    };
  }
};

void summary(std::vector<double> ratios, double target) {
  std::ranges::sort(ratios);
  const auto met = std::ranges::count_if(ratios, [target](double r) { return r >= target; });
  fmt::print("{} of {} reach {:.2f}; median {:.3f}, least {:.3f}\n\n",
             met,
             ratios.size(),
             target,
             ratios[ratios.size() / 2],
             ratios.front());
}

void convert_rates(Rates& rates, const Memory& memory) {
  std::vector<double> ratios;
  for (const DataType from : kAllDataTypes) {
    for (const DataType to : kAllDataTypes) {
      if (from == to) {
        continue;
      }
      const auto pair_bytes = static_cast<std::int64_t>(size_of(from) + size_of(to));
      const std::int64_t count = memory.bytes / pair_bytes;
      const ConvertCommand work{core::memory_of(memory.from),
                                from,
                                core::memory_of(memory.to),
                                to,
                                static_cast<std::size_t>(count)};
      ratios.push_back(rates.compare(
          fmt::format("{} to {}", to_string(from), to_string(to)),
          count * pair_bytes,
          [&] {
            return Command{work, "convert"};
          },
          memory.copy(count * pair_bytes)));
    }
  }
  summary(ratios, 0.95);
}

std::shared_ptr<ExpandSpec> normalised(std::int64_t side, std::int64_t channels, DataType to) {
  auto spec = std::make_shared<ExpandSpec>();
  spec->to = to;
  spec->height = spec->width = side;
  spec->channels = channels;
  spec->scale.assign(static_cast<std::size_t>(channels), 1 / 57.0F);
  spec->bias.assign(static_cast<std::size_t>(channels), -2.0F);
  return spec;
}

void expand_rates(Rates& rates, const Memory& memory) {
  std::vector<double> ratios;
  for (const auto& [side, channels] : {std::pair{224, 3}, {299, 3}, {32, 3}, {28, 1}}) {
    for (const DataType to : {DataType::float16, DataType::bfloat16, DataType::float32}) {
      for (const bool to_planar : {true, false}) {
        const auto spec = normalised(side, channels, to);
        spec->to_planar = to_planar;
        const std::int64_t sample = std::int64_t{side} * side * channels;
        const std::int64_t sample_bytes = sample * static_cast<std::int64_t>(1 + size_of(to));
        const std::int64_t samples = memory.bytes / sample_bytes;
        const ExpandCommand work{
            core::memory_of(memory.from), core::memory_of(memory.to), samples, spec};
        ratios.push_back(rates.compare(
            fmt::format("uint8 {}x{}x{} to normalised {}{}",
                        side,
                        side,
                        channels,
                        to_string(to),
                        to_planar ? " CHW" : ""),
            samples * sample_bytes,
            [&] {
              return Command{work, "expand"};
            },
            memory.copy(samples * sample_bytes)));
      }
    }
  }
  summary(ratios, 0.90);
}

/// Expansions that no data set of images asks for: of other types, and of many channels.
void other_expand_rates(Rates& rates, const Memory& memory, const Tensor& floats) {
  std::vector<double> ratios;
  for (const auto& [from, channels] :
       {std::pair{DataType::float32, 3}, {DataType::uint16, 3}, {DataType::uint8, 64}}) {
    for (const bool to_planar : {true, false}) {
      const auto spec = normalised(64, channels, DataType::float16);
      spec->from = from;
      spec->to_planar = to_planar;
      const std::int64_t sample = std::int64_t{64} * 64 * channels;
      const std::int64_t sample_bytes = sample * static_cast<std::int64_t>(size_of(from) + 2);
      const std::int64_t samples = memory.bytes / sample_bytes;
      const Tensor& source = from == DataType::float32 ? floats : memory.from;
      const ExpandCommand work{core::memory_of(source), core::memory_of(memory.to), samples, spec};
      ratios.push_back(rates.compare(
          fmt::format("{} 64x64x{} to normalised float16{}",
                      to_string(from),
                      channels,
                      to_planar ? " CHW" : ""),
          samples * sample_bytes,
          [&] {
            return Command{work, "expand"};
          },
          memory.copy(samples * sample_bytes)));
    }
  }
  summary(ratios, 0.50);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Device device = open_device(argc > 1 ? argv[1] : "auto");
    const std::int64_t bytes = (argc > 2 ? std::stoll(argv[2]) : 1024) << 20;
    fmt::print(
        "{} ({}), {} MiB read and written\n", device.info().spec, device.info().name, bytes >> 20);
    const MemoryManager manager(device);
    const Memory memory{random_memory(manager, bytes), random_memory(manager, bytes), bytes};
    Rates rates(device);
    rates.warm_up(memory.copy(bytes));
    expand_rates(rates, memory);
    other_expand_rates(rates, memory, random_floats(manager, bytes));
    convert_rates(rates, memory);
  } catch (const std::exception& error) {
    fmt::print(stderr, "headrace_kernel_rates: {}\n", error.what());
    return 1;
  }
}
