// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/native_handle.h"

#include "backends/vulkan/calls.h"
#include "backends/vulkan/hazards.h"
#include "backends/vulkan/operation.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace headrace::vulkan {

class Context;

/// A command buffer with pools of its own: commands, descriptors, times. It may be submitted again
/// when the last time is over.
///
/// Operations follow each other: between two that touch the same memory there is a barrier, and one
/// at the beginning orders all of them behind what the queue was given earlier.
///
/// Threads: one call at a time.
class Recording {
 public:
  /// \throws Error  as the driver says.
  Recording(Context& context, std::uint32_t family);
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();

  [[nodiscard]] std::uint32_t family() const noexcept { return family_; }
  [[nodiscard]] VkCommandBuffer commands() const noexcept { return commands_; }

  /// Forgets what was recorded, and begins anew; with room for so many times. Every call up to
  /// `end` may throw; after that it has to begin again.
  void begin(std::uint32_t times = 0);
  void add(const Operation& operation);
  /// Has `function` record what it likes.
  void launch(const std::function<void(NativeHandle)>& function);
  /// Notes when the device has done all that was recorded. \returns Which time that is.
  std::uint32_t mark_time();
  void end();

  /// The times that were noted, in ticks, when the work is done.
  std::vector<std::uint64_t> times() const;

 private:
  void barrier();
  void make_room_for_times(std::uint32_t times);
  VkDescriptorSet next_set();
  VkDescriptorSet bind(const DispatchOperation& dispatch);
  void record(const CopyOperation& copy);
  void record(const FillOperation& fill);
  void record(const DispatchOperation& dispatch);

  Context& context_;
  const std::uint32_t family_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  std::vector<VkDescriptorPool> descriptors_;
  std::uint32_t sets_ = 0;  // taken of all of these
  VkQueryPool queries_ = VK_NULL_HANDLE;
  std::uint32_t room_for_times_ = 0;
  std::uint32_t times_ = 0;
  VkPipeline bound_ = VK_NULL_HANDLE;
  Hazards hazards_;
  bool writes_host_memory_ = false;
};

/// Recordings that wait to be used again. Threads: safe from any thread.
class Recordings {
 public:
  explicit Recordings(Context& context) : context_(context) {}

  std::unique_ptr<Recording> take(std::uint32_t family);
  /// Takes one back whose work is done.
  void give_back(std::unique_ptr<Recording> recording) noexcept;

 private:
  Context& context_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Recording>> idle_;  // guarded by mutex_; room for all
  std::size_t made_ = 0;                          // guarded by mutex_
};

}  // namespace headrace::vulkan
