// SPDX-License-Identifier: Apache-2.0
// Whom a wake reaches: all, or one that last ran on another processor than the caller.
#include "loader/idle_workers.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <sched.h>
#include <thread>

namespace headrace::testing {
namespace {

using loader::IdleWorkers;

/// An even and an odd processor that this process may run on.
std::optional<std::array<int, 2>> processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::array<int, 2> found{-1, -1};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) {
      found.at(static_cast<std::size_t>(cpu) % 2) = cpu;
    }
  }
  return found[0] < 0 || found[1] < 0 ? std::nullopt : std::optional(found);
}

void stay_on(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
}

/// Threads that wait until one is woken; the first to wake says who it is.
class Sleepers {
 public:
  ~Sleepers() { join(); }

  /// A thread on that processor; returns when it waits.
  void add(int cpu) {
    const std::size_t before = waiting_;
    threads_.at(count_++) = std::thread([this, cpu] { sleep(cpu); });
    while (waiting_ == before) {
      std::this_thread::yield();
    }
    const std::scoped_lock lock(mutex_);  // So it is in its wait.
  }

  /// The processor of the one that a call from `cpu` wakes.
  int woken_from(int cpu) {
    int woken = -1;
    std::thread([&] {
      stay_on(cpu);
      std::unique_lock lock(mutex_);
      std::condition_variable& one = idle_.elsewhere();
      lock.unlock();
      one.notify_one();
      lock.lock();
      woke_.wait(lock, [this] { return first_ >= 0; });
      woken = first_;
    }).join();
    return woken;
  }

  void join() {
    idle_.wake_all();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) {
        thread.join();
      }
    }
  }

 private:
  void sleep(int cpu) {
    stay_on(cpu);
    std::unique_lock lock(mutex_);
    ++waiting_;
    idle_.wait(lock);
    first_ = first_ < 0 ? cpu : first_;
    woke_.notify_all();
  }

  std::mutex mutex_;
  IdleWorkers idle_;
  std::condition_variable woke_;
  std::atomic<std::size_t> waiting_{0};
  int first_ = -1;
  std::array<std::thread, 3> threads_;
  std::size_t count_ = 0;
};

TEST(LoaderIdleWorkers, TheOneWokenRanOnAnotherProcessor) {
  const std::optional<std::array<int, 2>> cpus = processors();
  if (!cpus) {
    GTEST_SKIP() << "needs an even and an odd processor";
  }
  for (const std::size_t here : {0, 1}) {
    Sleepers sleepers;
    sleepers.add(cpus->at(here));
    sleepers.add(cpus->at(1 - here));
    sleepers.add(cpus->at(here));
    EXPECT_EQ(sleepers.woken_from(cpus->at(here)), cpus->at(1 - here));
  }
}

TEST(LoaderIdleWorkers, WhereAllRanHereOneOfThemIsWoken) {
  const std::optional<std::array<int, 2>> cpus = processors();
  if (!cpus) {
    GTEST_SKIP() << "needs an even and an odd processor";
  }
  for (const std::size_t here : {0, 1}) {
    Sleepers sleepers;
    sleepers.add(cpus->at(here));
    sleepers.add(cpus->at(here));
    EXPECT_EQ(sleepers.woken_from(cpus->at(here)), cpus->at(here));
  }
}

}  // namespace
}  // namespace headrace::testing
