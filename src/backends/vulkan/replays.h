// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/vulkan/operation.h"
#include "backends/vulkan/recording.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

namespace headrace::vulkan {

class Context;
class Timeline;

/// The recordings of one stream: each is submitted again when the same operations come again and it
/// is idle, else recorded anew.
///
/// Threads: one call at a time.
class Replays {
 public:
  Replays(Context& context, Timeline& timeline) : context_(context), timeline_(timeline) {}
  Replays(const Replays&) = delete;
  Replays& operator=(const Replays&) = delete;
  /// All of it is done, or the device is lost.
  ~Replays();

  /// Operations recorded for a queue family, to be submitted once, so that the timeline reaches
  /// `value` behind them.
  VkCommandBuffer of(std::span<const Operation> operations,
                     std::uint32_t family,
                     std::uint64_t value);

 private:
  struct Replay {
    std::unique_ptr<Recording> recording;
    std::vector<Operation> operations;
    std::uint64_t releases = 0;  ///< Of the device's memory, when it was recorded.
    std::uint64_t value = 0;     ///< Reached when it is idle.
  };
  using Place = std::list<Replay>::iterator;

  Place find(std::span<const Operation> operations, std::uint32_t family);
  Place find_idle(std::uint32_t family);

  Context& context_;
  Timeline& timeline_;
  std::list<Replay> replays_;  // the last used first
};

}  // namespace headrace::vulkan
