// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace headrace::test {

/// An observer that keeps books of what it is told, and of what was wrong with it. Threads: safe
/// from any thread.
class PartLedger final : public SubAllocationObserver {
 public:
  void watch(const MemoryBlock& memory) noexcept override {
    const std::scoped_lock lock(mutex_);
    // What the device had back is forgotten when its address is given again.
    open_.erase(open_.lower_bound(memory.handle), open_.lower_bound(memory.handle + memory.size));
    std::erase_if(watched_, [&memory](const auto& old) {
      return old.first < memory.handle + memory.size && memory.handle < old.first + old.second;
    });
    watched_[memory.handle] = memory.size;
  }

  void open(const MemoryView& part, std::size_t bytes) noexcept override {
    const std::scoped_lock lock(mutex_);
    ++opened_;
    const std::uint64_t address = part.handle + part.offset;
    const auto segment = watched_.find(part.handle);
    if (segment == watched_.end() || part.offset + bytes > segment->second) {
      wrong_.emplace_back("opened outside of watched memory");
    }
    if (bytes == 0) {
      wrong_.emplace_back("opened no bytes");
    }
    const auto after = open_.lower_bound(address);
    const bool meets_next = after != open_.end() && after->first < address + bytes;
    const bool meets_last =
        after != open_.begin() && std::prev(after)->first + std::prev(after)->second > address;
    if (meets_next || meets_last) {
      wrong_.emplace_back("opened what is open");
    }
    open_[address] = bytes;
  }

  void close(const MemoryView& part) noexcept override {
    const std::scoped_lock lock(mutex_);
    if (open_.erase(part.handle + part.offset) == 0) {
      wrong_.emplace_back("closed what is not open");
    }
  }

  /// How many bytes may be touched from `address` on.
  [[nodiscard]] std::size_t open_at(const std::byte* address) const {
    const std::scoped_lock lock(mutex_);
    const auto place = reinterpret_cast<std::uint64_t>(address);
    const auto after = open_.upper_bound(place);
    if (after == open_.begin()) {
      return 0;
    }
    const auto& [start, bytes] = *std::prev(after);
    return start + bytes > place ? start + bytes - place : 0;
  }
  /// Whether none of `bytes` bytes may be touched.
  [[nodiscard]] bool is_closed(const std::byte* address, std::size_t bytes) const {
    const std::scoped_lock lock(mutex_);
    const auto place = reinterpret_cast<std::uint64_t>(address);
    const auto after = open_.lower_bound(place + bytes);
    return after == open_.begin() || std::prev(after)->first + std::prev(after)->second <= place;
  }
  [[nodiscard]] std::size_t open_parts() const {
    const std::scoped_lock lock(mutex_);
    return open_.size();
  }
  [[nodiscard]] std::size_t opened() const {
    const std::scoped_lock lock(mutex_);
    return opened_;
  }
  /// What was wrong so far.
  [[nodiscard]] std::vector<std::string> wrong() const {
    const std::scoped_lock lock(mutex_);
    return wrong_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::size_t> watched_;  // bytes by address
  std::map<std::uint64_t, std::size_t> open_;
  std::size_t opened_ = 0;
  std::vector<std::string> wrong_;
};

}  // namespace headrace::test
