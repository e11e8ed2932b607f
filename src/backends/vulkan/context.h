// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/vulkan/coefficients.h"
#include "backends/vulkan/device_clock.h"
#include "backends/vulkan/driver.h"
#include "backends/vulkan/facts.h"
#include "backends/vulkan/memory.h"
#include "backends/vulkan/pipelines.h"
#include "backends/vulkan/queue.h"
#include "backends/vulkan/recording.h"
#include "backends/vulkan/timeline.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace headrace::vulkan {

/// A logical device. Owns it.
class LogicalDevice {
 public:
  /// \throws Error  as the driver says.
  LogicalDevice(const Driver& driver, const Facts& facts);
  LogicalDevice(const LogicalDevice&) = delete;
  LogicalDevice& operator=(const LogicalDevice&) = delete;
  ~LogicalDevice();

  [[nodiscard]] VkDevice handle() const noexcept { return handle_; }
  [[nodiscard]] const DeviceCalls& calls() const noexcept { return calls_; }

  /// The types of memory that buffer objects can have, a bit each. \throws Error  as the driver
  /// says.
  [[nodiscard]] std::uint32_t buffer_memory_types(const Facts& facts) const;

 private:
  VkDevice handle_ = VK_NULL_HANDLE;
  DeviceCalls calls_;
};

/// An open device, and what its streams share. Design: docs/design/021-vulkan.md.
///
/// Threads: safe from any thread.
class Context {
 public:
  /// \throws Error  as the driver says.
  Context(const Driver& driver, Facts facts);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() = default;

  [[nodiscard]] const Driver& driver() const noexcept { return driver_; }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  [[nodiscard]] VkDevice device() const noexcept { return logical_.handle(); }
  [[nodiscard]] const DeviceCalls& calls() const noexcept { return logical_.calls(); }

  /// Turns what `call` returned into an Error, unless it is success.
  void check(VkResult result, const char* call) {
    if (result != VK_SUCCESS) [[unlikely]] {
      fail(result, call);
    }
  }
  [[noreturn]] void fail(VkResult result, const char* call);

  [[nodiscard]] bool is_lost() const noexcept { return is_lost_.load(std::memory_order_relaxed); }
  /// Takes the device for lost: its driver cannot say what it has done.
  void give_up() noexcept { is_lost_.store(true, std::memory_order_relaxed); }
  /// \throws Error  `device_lost` once a call has said so.
  void require_alive() const {
    if (is_lost()) [[unlikely]] {
      refuse();
    }
  }

  /// The queue that a new stream computes on, in turns.
  Queue& next_compute_queue() noexcept;
  /// The one that it copies to and from the host on, in turns; null where there is none apart.
  Queue* next_transfer_queue() noexcept;

  /// The one that the backend's own work goes to, of the streams' as well.
  Queue& own_queue() noexcept { return *compute_.front(); }

  Memory& memory() noexcept { return memory_; }
  [[nodiscard]] const Memory& memory() const noexcept { return memory_; }
  Pipelines& pipelines() noexcept { return pipelines_; }
  TimelineSemaphores& semaphores() noexcept { return semaphores_; }
  Recordings& recordings() noexcept { return recordings_; }
  Coefficients& coefficients() noexcept { return coefficients_; }
  DeviceClock& clock() noexcept { return clock_; }

 private:
  [[noreturn]] void refuse() const;

  const Driver& driver_;
  Facts facts_;                  // unchanged once this is made
  const LogicalDevice logical_;  // Outlives what is below, which belongs to it.
  std::atomic<bool> is_lost_{false};
  Memory memory_{*this};
  Pipelines pipelines_{*this};
  TimelineSemaphores semaphores_{*this};
  Recordings recordings_{*this};
  Coefficients coefficients_{*this};
  DeviceClock clock_{*this};
  std::vector<std::unique_ptr<Queue>> compute_;
  std::vector<std::unique_ptr<Queue>> transfer_;
  std::atomic<std::size_t> streams_{0};
  std::atomic<std::size_t> transfers_{0};
};

}  // namespace headrace::vulkan
