// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/coefficients.h"

#include "backends/shared/coefficients.h"
#include "backends/vulkan/context.h"
#include "backends/vulkan/geometry.h"
#include "backends/vulkan/timeline.h"

#include <algorithm>
#include <utility>

namespace headrace::vulkan {

namespace {

/// What vkCmdUpdateBuffer takes at a time, in words.
constexpr std::size_t kMostUpdated = 65536 / sizeof(std::uint32_t);
/// Of memory, for many specs: devices have few allocations.
constexpr std::size_t kBlock = std::size_t{64} << 10;

}  // namespace

Coefficients::~Coefficients() {
  if (timeline_) {
    timeline_->settle(submitted_);
  }
  for (Upload& upload : uploads_) {
    context_.recordings().give_back(std::move(upload.recording));
  }
  for (const MemoryBlock& block : blocks_) {
    context_.memory().release(block);
  }
}

Range Coefficients::of(const ExpandSpec& spec) {
  std::vector<std::uint32_t> bits = backends::coefficient_bits(spec);
  const std::scoped_lock lock(mutex_);
  auto found = ranges_.find(bits);
  if (found == ranges_.end()) {
    const Range range = room_for(bits.size() * sizeof(std::uint32_t));
    upload(bits, range);
    found = ranges_.emplace(std::move(bits), range).first;
  }
  return found->second;
}

std::optional<TimelinePoint> Coefficients::pending() {
  if (!is_pending_.load(std::memory_order_acquire)) {
    return std::nullopt;
  }
  const std::scoped_lock lock(mutex_);
  while (!uploads_.empty() && timeline_->has_reached(uploads_.front().value)) {
    context_.recordings().give_back(std::move(uploads_.front().recording));
    uploads_.pop_front();
  }
  if (uploads_.empty()) {
    is_pending_.store(false, std::memory_order_release);
    return std::nullopt;
  }
  return TimelinePoint{timeline_, submitted_};
}

Range Coefficients::room_for(std::size_t bytes) {
  if (blocks_.empty() || blocks_.back().size - used_ < bytes) {
    blocks_.reserve(blocks_.size() + 1);
    blocks_.push_back(context_.memory().allocate(DeviceType::gpu, std::max(bytes, kBlock)));
    used_ = 0;
  }
  const Range range{buffer_of(blocks_.back().handle), used_, bytes, false};
  used_ = std::min<VkDeviceSize>(blocks_.back().size,
                                 divide_up(used_ + bytes, kBindAlignment) * kBindAlignment);
  return range;
}

void Coefficients::upload(const std::vector<std::uint32_t>& bits, const Range& to) {
  std::unique_ptr<Recording> recording = context_.recordings().take(context_.facts().compute.index);
  recording->begin();
  for (std::size_t done = 0; done < bits.size(); done += kMostUpdated) {
    const std::size_t part = std::min(kMostUpdated, bits.size() - done);
    context_.calls().vkCmdUpdateBuffer(recording->commands(),
                                       to.buffer,
                                       to.offset + done * sizeof(std::uint32_t),
                                       part * sizeof(std::uint32_t),
                                       &bits[done]);
  }
  recording->end();
  submit(std::move(recording));
}

void Coefficients::submit(std::unique_ptr<Recording> recording) {
  if (!timeline_) {
    timeline_ = std::make_shared<Timeline>(context_);
    submitted_ = timeline_->begin();
  }
  const VkCommandBuffer commands = recording->commands();
  uploads_.push_back({submitted_ + 1, std::move(recording)});
  try {
    context_.own_queue().submit({}, commands, {timeline_, submitted_ + 1});
  } catch (...) {
    context_.recordings().give_back(std::move(uploads_.back().recording));
    uploads_.pop_back();
    throw;
  }
  ++submitted_;
  is_pending_.store(true, std::memory_order_release);
}

}  // namespace headrace::vulkan
