// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/vulkan/operation.h"
#include "backends/vulkan/queue.h"
#include "backends/vulkan/recording.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace headrace::vulkan {

class Context;

/// What expansions multiply by and add, in device memory: once for all specs with the same bits.
/// Kept as long as the device is open; programs have few of them.
///
/// Numbers are on their way when they are first asked for, and nobody waits for them here: whoever
/// submits work that may read them has it wait for `pending`.
///
/// Threads: safe from any thread.
class Coefficients {
 public:
  explicit Coefficients(Context& context) : context_(context) {}
  Coefficients(const Coefficients&) = delete;
  Coefficients& operator=(const Coefficients&) = delete;
  /// Waits for what is on its way.
  ~Coefficients();

  /// Where the scales of `spec` will be, and its biases behind them, one a channel; ones and zeros
  /// for a spec that has none. \throws Error  `out_of_memory`; `device_lost`.
  Range of(const ExpandSpec& spec);

  /// What is on its way, or nothing. \throws Error  `device_lost`.
  std::optional<TimelinePoint> pending();

 private:
  struct Upload {
    std::uint64_t value = 0;  ///< Reached when it is there.
    std::unique_ptr<Recording> recording;
  };

  Range room_for(std::size_t bytes);
  void upload(const std::vector<std::uint32_t>& bits, const Range& to);
  void submit(std::unique_ptr<Recording> recording);

  Context& context_;
  std::atomic<bool> is_pending_{false};
  std::mutex mutex_;
  std::map<std::vector<std::uint32_t>, Range> ranges_;  // guarded by mutex_; by bits
  std::vector<MemoryBlock> blocks_;                     // guarded by mutex_
  VkDeviceSize used_ = 0;                               // guarded by mutex_; of the last block
  std::shared_ptr<Timeline> timeline_;                  // guarded by mutex_; null before the first
  std::uint64_t submitted_ = 0;                         // guarded by mutex_
  std::deque<Upload> uploads_;                          // guarded by mutex_
};

}  // namespace headrace::vulkan
