// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

// How long something takes, fairly: what is compared takes turns, and medians count.

namespace headrace::cli {

/// How much is spent on each measurement.
struct Effort {
  std::size_t rounds = 5;
  double seconds = 0.1;  ///< Of each thing in each round, about.
};

/// Does something `calls` times and gives the seconds that took.
using Work = std::function<double(std::uint64_t calls)>;

/// Seconds of a call of each of `works`: the median of rounds in which they take turns, after one
/// that warms up and finds how many calls fill the time.
std::vector<double> seconds_a_call(const Effort& effort, const std::vector<Work>& works);

/// The middle of `values`; of two, the mean. There must be one.
double median(std::vector<double> values);

/// Seconds that `call`, done `calls` times, takes.
template <class Call>
double time_of(std::uint64_t calls, Call&& call) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < calls; ++i) {
    call();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Seconds from the moment when `threads` threads begin until all have run `work`.
double time_of_threads(std::size_t threads, const std::function<void()>& work);

}  // namespace headrace::cli
