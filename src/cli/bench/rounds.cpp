// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/rounds.h"

#include <algorithm>
#include <barrier>
#include <cmath>
#include <thread>
#include <utility>

namespace headrace::cli {
namespace {

/// Calls that take about `seconds`, found by doubling.
std::uint64_t calls_that_fill(double seconds, const Work& work) {
  constexpr std::uint64_t kMostCalls = std::uint64_t{1} << 40;
  std::uint64_t calls = 1;
  double taken = work(calls);
  while (taken < seconds / 4 && calls < kMostCalls) {
    calls *= 2;
    taken = work(calls);
  }
  const double wanted = static_cast<double>(calls) * seconds / std::max(taken, 1e-9);
  return static_cast<std::uint64_t>(std::clamp(wanted, 1.0, static_cast<double>(kMostCalls)));
}

}  // namespace

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> seconds_a_call(const Effort& effort, const std::vector<Work>& works) {
  std::vector<std::uint64_t> calls;
  calls.reserve(works.size());
  for (const Work& work : works) {
    calls.push_back(calls_that_fill(effort.seconds, work));
  }
  std::vector<std::vector<double>> times(works.size());
  for (std::size_t round = 0; round < effort.rounds; ++round) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      times[i].push_back(works[i](calls[i]) / static_cast<double>(calls[i]));
    }
  }
  std::vector<double> medians;
  medians.reserve(works.size());
  for (std::vector<double>& of_one : times) {
    medians.push_back(median(std::move(of_one)));
  }
  return medians;
}

double time_of_threads(std::size_t threads, const std::function<void()>& work) {
  std::barrier meet(static_cast<std::ptrdiff_t>(threads) + 1);
  std::vector<std::jthread> running;
  running.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    running.emplace_back([&] {
      meet.arrive_and_wait();
      work();
      meet.arrive_and_wait();
    });
  }
  meet.arrive_and_wait();
  return time_of(1, [&] { meet.arrive_and_wait(); });
}

}  // namespace headrace::cli
