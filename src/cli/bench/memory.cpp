// SPDX-License-Identifier: Apache-2.0
// Taking and giving back memory, beside malloc.
#include "headrace/buffer.h"

#include "cli/bench/groups.h"

#include <fmt/format.h>

#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

constexpr std::size_t kSmall = 4096;
constexpr std::size_t kLarge = std::size_t{1} << 20;
constexpr std::size_t kHeld = 64;

/// malloc's memory, with the use of a Buffer.
class Malloced {
 public:
  Malloced() = default;
  explicit Malloced(std::size_t size) : pointer_(std::malloc(size)) {
    const void* volatile seen = pointer_;  // Else the compiler may leave both calls out.
    static_cast<void>(seen);
  }
  Malloced(Malloced&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Malloced& operator=(Malloced&& other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  Malloced(const Malloced&) = delete;
  Malloced& operator=(const Malloced&) = delete;
  ~Malloced() { std::free(pointer_); }

 private:
  void* pointer_ = nullptr;
};

/// `take(size)` and the end of what it gives, in each of `threads` threads; per call of all.
template <class Take>
Work hits(std::size_t threads, Take take) {
  return [threads, take](std::uint64_t calls) {
    const std::uint64_t each = (calls + threads - 1) / threads;
    const auto work = [each, take] { time_of(each, [take] { take(kSmall); }); };
    const double seconds = threads == 1 ? time_of(1, work) : time_of_threads(threads, work);
    return seconds * static_cast<double>(calls) / static_cast<double>(each * threads);
  };
}

/// Sizes of 256 bytes to 512 KiB and a little more, and which of what is held each replaces.
std::vector<std::pair<std::size_t, std::size_t>> mixed_plan() {
  constexpr std::size_t kSteps = std::size_t{1} << 14;
  std::mt19937 random(1);
  std::vector<std::pair<std::size_t, std::size_t>> plan;
  for (std::size_t i = 0; i < kSteps; ++i) {
    const std::size_t place = random() % kHeld;
    const std::size_t size = (std::size_t{256} << random() % 12) + random() % 199;
    plan.emplace_back(place, size);
  }
  return plan;
}

template <class Take>
Work mixed(Take take) {
  return [take, plan = mixed_plan()](std::uint64_t calls) {
    std::vector<decltype(take(kSmall))> held;
    held.reserve(kHeld);
    for (std::size_t i = 0; i < kHeld; ++i) {
      held.push_back(take(plan[i].second));
    }
    std::size_t next = 0;
    return time_of(calls, [&] {
      const auto [place, size] = plan[next];
      next = (next + 1) % plan.size();
      held[place] = {};
      held[place] = take(size);
    });
  };
}

}  // namespace

void bench_memory(const Bench& bench) {
  const Stream stream = bench.device.make_stream();
  MemoryManager memory = bench.memory;
  const auto take = [&](std::size_t size) {
    return memory.get_buffer(size, DeviceType::gpu, stream);
  };
  const auto take_malloced = [](std::size_t size) { return Malloced(size); };
  const auto compare = [&](std::string name, const Work& ours, const Work& theirs) {
    const std::vector<double> times = seconds_a_call(bench.effort, {ours, theirs});
    bench.tell({"memory", std::move(name), Unit::seconds, times[0], "malloc", times[1]});
  };
  compare("4 KiB, 1 thread", hits(1, take), hits(1, take_malloced));
  if (bench.threads > 1) {
    compare(fmt::format("4 KiB, {} threads", bench.threads),
            hits(bench.threads, take),
            hits(bench.threads, take_malloced));
  }
  compare("256 B to 512 KiB, 64 held, 1 thread", mixed(take), mixed(take_malloced));
  const Work from_device = [&](std::uint64_t calls) {
    return time_of(calls, [&] {
      take(kLarge).reset();
      memory.trim();
    });
  };
  const double miss = seconds_a_call(bench.effort, {from_device})[0];
  bench.tell({"memory", "1 MiB from the device and back to it", Unit::seconds, miss, "", 0});
}

}  // namespace headrace::cli
