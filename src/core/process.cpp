// SPDX-License-Identifier: Apache-2.0
#include "core/process.h"

#include "headrace/error.h"

#include "core/thread_cache.h"

#include <fmt/format.h>

#include <atomic>
#include <new>
#include <pthread.h>

namespace headrace::core {

namespace {

// Made by the compiler and destroyed by nobody, so that they serve before and after main.
constinit std::atomic<std::uint64_t> number{1};
constinit std::mutex tables;
constinit std::once_flag forks_are_watched;  // glibc's survives a fork in the middle of the call.

void before_fork() {
  tables.lock();
}

void after_fork_in_parent() {
  tables.unlock();
}

void after_fork_in_child() {
  tables.unlock();
  number.fetch_add(1, std::memory_order_relaxed);
  ThreadCaches::leave_behind();
}

void watch_forks() {
  std::call_once(forks_are_watched, [] {
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
      throw std::bad_alloc();
    }
  });
}

}  // namespace

std::uint64_t process_number() noexcept {
  return number.load(std::memory_order_relaxed);
}

ProcessStamp::ProcessStamp() {
  watch_forks();
  number_ = process_number();
}

void ProcessStamp::refuse(const char* what) {
  throw Error(ErrorCode::unsupported,
              fmt::format("{} was made before fork(); a child process must open the device again "
                          "and make its own.",
                          what));
}

std::mutex& tables_mutex() {
  watch_forks();
  return tables;
}

}  // namespace headrace::core
