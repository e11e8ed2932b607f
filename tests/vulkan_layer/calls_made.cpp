// SPDX-License-Identifier: Apache-2.0
// What is noted of calls, and what tests let go wrong with them.
#include "vulkan_layer/calls_made.h"

#include "vulkan_layer/lock.h"

#include <map>
#include <set>
#include <thread>
#include <utility>

namespace headrace::vulkan_layer {

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
  std::vector<std::string> violations;
};

/// Never destroyed: threads of the program's may still call while it exits.
Notes& notes() {
  static auto* const kNotes = new Notes;
  return *kNotes;
}

}  // namespace

std::mutex& lock() {
  static auto* const kLock = new std::mutex;
  return *kLock;
}

void violate(std::string what) {
  const std::scoped_lock held(lock());
  notes().violations.push_back(std::move(what));
}

VkResult count_call(std::string_view name, bool has_result) {
  const std::scoped_lock held(lock());
  auto known = notes().calls.find(name);
  if (known == notes().calls.end()) {
    known = notes().calls.emplace(std::string(name), 0).first;
    if (has_result) {
      notes().order.emplace_back(name);
    }
  }
  ++known->second;
  const auto [begin, end] = notes().failures.equal_range(name);
  auto due = end;
  for (auto failure = begin; failure != end; ++failure) {
    if (failure->second.calls_before-- == 0) {
      due = failure;
    }
  }
  if (due == end) {
    return VK_SUCCESS;
  }
  const int result = due->second.result;
  notes().failures.erase(due);
  notes().failed_on.insert(std::this_thread::get_id());
  return static_cast<VkResult>(result);
}

void fail_call(const std::string& name, int nth, int result) {
  const std::scoped_lock held(lock());
  notes().failures.emplace(name, Failure{nth - 1, result});
}

bool has_failed_here() {
  const std::scoped_lock held(lock());
  return notes().failed_on.contains(std::this_thread::get_id());
}

void reset_calls() {
  const std::scoped_lock held(lock());
  notes().calls.clear();
  notes().order.clear();
  notes().failures.clear();
  notes().failed_on.clear();
}

int calls_made(const std::string& name) {
  const std::scoped_lock held(lock());
  const auto known = notes().calls.find(name);
  return known == notes().calls.end() ? 0 : known->second;
}

std::vector<std::string> names_of_calls_made() {
  const std::scoped_lock held(lock());
  return notes().order;
}

std::vector<std::string> take_violations() {
  const std::scoped_lock held(lock());
  return std::exchange(notes().violations, {});
}

}  // namespace headrace::vulkan_layer
