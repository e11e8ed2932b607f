// SPDX-License-Identifier: Apache-2.0
// What is noted of calls, and what tests let go wrong with them.
#include "fake_cuda/calls_made.h"

#include "fake_cuda/entries.h"
#include "fake_cuda/handles.h"
#include "fake_cuda/lock.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <unistd.h>
#include <utility>

namespace headrace::fake_cuda {

namespace {

struct Failure {
  int calls_before = 0;
  int result = 0;
};

struct Notes {
  std::map<std::string, int, std::less<>> calls;
  std::vector<std::string> order;
  std::multimap<std::string, Failure, std::less<>> failures;
  std::set<std::thread::id> failed_on;
  std::set<std::string, std::less<>> hidden;
  std::vector<std::string> violations;
};

/// Never destroyed: threads of the program's may still call while it exits.
Notes& notes() {
  static auto* const kNotes = new Notes;
  return *kNotes;
}

std::atomic<pid_t> initialised{0};

}  // namespace

std::mutex& lock() {
  static auto* const kLock = new std::mutex;
  return *kLock;
}

std::condition_variable& changed() {
  static auto* const kChanged = new std::condition_variable;
  return *kChanged;
}

std::uintptr_t next_handle() {
  static std::uintptr_t last = 0x1000;
  return last += 0x10;
}

void violate(std::string what) {
  notes().violations.push_back(std::move(what));
}

CUresult count_call(std::string_view name) {
  const auto known = notes().calls.try_emplace(std::string(name), 0).first;
  if (known->second++ == 0) {
    notes().order.emplace_back(name);
  }
  const auto [begin, end] = notes().failures.equal_range(name);
  for (auto failure = begin; failure != end; ++failure) {
    if (failure->second.calls_before-- == 0) {
      const int result = failure->second.result;
      notes().failures.erase(failure);
      notes().failed_on.insert(std::this_thread::get_id());
      return static_cast<CUresult>(result);
    }
  }
  return CUDA_SUCCESS;
}

bool is_hidden(std::string_view name) {
  return notes().hidden.contains(name);
}

pid_t initialised_in() {
  return initialised.load(std::memory_order_relaxed);
}

void fail_call(const std::string& name, int nth, int result) {
  notes().failures.emplace(name, Failure{nth - 1, result});
}

bool has_failed_here() {
  return notes().failed_on.contains(std::this_thread::get_id());
}

void hide_call(const std::string& name) {
  notes().hidden.insert(name);
}

void reset_calls() {
  notes().calls.clear();
  notes().order.clear();
  notes().failures.clear();
  notes().failed_on.clear();
  notes().hidden.clear();
}

int calls_made(const std::string& name) {
  const auto known = notes().calls.find(name);
  return known == notes().calls.end() ? 0 : known->second;
}

std::vector<std::string> names_of_calls_made() {
  return notes().order;
}

std::vector<std::string> take_violations() {
  return std::exchange(notes().violations, {});
}

CUresult fake_cuInit(unsigned flags) {
  if (flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  initialised.store(getpid(), std::memory_order_relaxed);
  return CUDA_SUCCESS;
}

CUresult fake_cuDriverGetVersion(int* version) {
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}

}  // namespace headrace::fake_cuda
