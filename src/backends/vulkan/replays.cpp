// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/replays.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/timeline.h"

#include <algorithm>
#include <utility>

namespace headrace::vulkan {

namespace {
/// More are made only while all of them are under way.
constexpr std::size_t kMostReplays = 32;
}  // namespace

Replays::~Replays() {
  for (Replay& replay : replays_) {
    context_.recordings().give_back(std::move(replay.recording));
  }
}

VkCommandBuffer Replays::of(std::span<const Operation> operations,
                            std::uint32_t family,
                            std::uint64_t value) {
  Place replay = find(operations, family);
  if (replay == replays_.end()) {
    replay = find_idle(family);
    replay->operations.clear();  // Not to be found if recording fails.
    replay->releases = context_.memory().releases();
    replay->recording->begin();
    for (const Operation& operation : operations) {
      replay->recording->add(operation);
    }
    replay->recording->end();
    replay->operations.assign(operations.begin(), operations.end());
  }
  replay->value = value;
  replays_.splice(replays_.begin(), replays_, replay);
  return replay->recording->commands();
}

Replays::Place Replays::find(std::span<const Operation> operations, std::uint32_t family) {
  const std::uint64_t releases = context_.memory().releases();
  return std::ranges::find_if(replays_, [&](const Replay& replay) {
    return replay.releases == releases && replay.recording->family() == family &&
           std::ranges::equal(replay.operations, operations) && timeline_.has_reached(replay.value);
  });
}

/// One whose recording may be begun anew: the oldest, once there are many.
Replays::Place Replays::find_idle(std::uint32_t family) {
  if (replays_.size() >= kMostReplays) {
    for (auto oldest = replays_.end(); oldest != replays_.begin();) {
      --oldest;
      if (oldest->recording->family() != family) {
        continue;
      }
      if (timeline_.has_reached(oldest->value)) {
        return oldest;
      }
      break;  // The others are done later.
    }
  }
  std::unique_ptr<Recording> recording = context_.recordings().take(family);
  replays_.emplace_front().recording = std::move(recording);
  return replays_.begin();
}

}  // namespace headrace::vulkan
