// SPDX-License-Identifier: Apache-2.0
// Limits, and what is done when memory is short.
#include "headrace/error.h"

#include "core/log.h"
#include "core/memory_pool.h"
#include "core/poison.h"
#include "core/stopped_caches.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace headrace::core {

namespace {
constexpr int kMaxPressureCalls = 8;
/// A pool has slack when its memory would be more than this part above what is taken.
constexpr std::size_t kSlackShare = 16;
}  // namespace

bool MemoryPool::count_reached() const {
  return config_.count_limit != 0 && existing_ >= config_.count_limit;
}

bool MemoryPool::bytes_reached(std::size_t more) const {
  return config_.byte_limit != 0 && (totals_.reserved_bytes > config_.byte_limit ||
                                     more > config_.byte_limit - totals_.reserved_bytes);
}

bool MemoryPool::may_grow(std::size_t bytes) const {
  return !count_reached() && !bytes_reached(bytes);
}

bool MemoryPool::above_soft_limit(std::size_t more) const {
  return config_.soft_byte_limit != 0 && (totals_.reserved_bytes > config_.soft_byte_limit ||
                                          more > config_.soft_byte_limit - totals_.reserved_bytes);
}

bool MemoryPool::has_slack(const Request& request) const {
  const auto taken = static_cast<std::size_t>(current_bytes()) + request.capacity;
  return totals_.reserved_bytes + request.capacity > taken + taken / kSlackShare;
}

void MemoryPool::give_surplus_back(const Request& request) {
  std::vector<SegmentHeap::Removed> removed;
  const std::scoped_lock releasing(release_mutex_);
  {
    const std::scoped_lock lock(mutex_);
    removed = heap(request.device_type).remove_free(SegmentHeap::Ready::at_once);
  }
  give_to_device(std::move(removed));
}

bool MemoryPool::make_room(Request& request, int round) {
  if (!request.may_ask) {
    return false;  // Nothing may be asked, waited for or freed while its stream is captured.
  }
  if (round == 0) {
    if (may_find_room()) {
      device_state_->reap();
      release_cached();
    }
    return true;
  }
  if (round == 1) {
    if (may_find_room()) {
      finish_all_cached();
    }
    return true;
  }
  if (request.is_last_round || round >= 2 + kMaxPressureCalls || !config_.pressure_callback) {
    return false;
  }
  // What it gave back is in use until its streams are done; also when it has nothing more to give.
  request.is_last_round = !config_.pressure_callback(request.size);
  finish_all_cached();
  return true;
}

bool MemoryPool::may_find_room() const {
  const std::scoped_lock lock(mutex_);
  const StoppedCaches stopped(caches_);  // For exact counts.
  return !count_reached() || std::cmp_less(current_buffers(), existing_);
}

void MemoryPool::finish_all_cached() {
  try {
    device_state_->synchronize();
  } catch (const Error& error) {
    log_error(error.what());  // The request's own error is the one to throw.
  }
  release_cached();
  if (finish_uses_by_others()) {
    device_state_->reap();
    release_cached();
  }
}

bool MemoryPool::finish_uses_by_others() {
  UseList uses = device_state_->buried_uses();
  {
    const std::scoped_lock lock(mutex_);
    for (const ClassPool& pool : slots_) {
      pool.loose.for_each([&uses](const Block& block) { uses.add(block.writers_); });
    }
    for (const SegmentHeap& heap : heaps_) {
      heap.for_each([&uses](const Span& span) { uses.add(span.uses); });
    }
  }
  bool has_waited = false;
  uses.for_each([this, &has_waited](const Ticket& use) {
    if (&use.stream->device() == &device_state_->backend() || use.stream->has_passed(use.serial)) {
      return;
    }
    has_waited = true;
    try {
      use.stream->wait(use.serial);
    } catch (const Error& error) {
      log_error(error.what());
    }
  });
  return has_waited;
}

std::size_t MemoryPool::release_cached() {
  std::vector<SegmentHeap::Removed> removed;
  // One at a time: whoever comes second must not find the memory neither cached nor given back.
  const std::scoped_lock releasing(release_mutex_);
  {
    const std::scoped_lock lock(mutex_);
    collect();
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      const auto device_type = static_cast<DeviceType>(kind);
      dissolve(device_type, nullptr, SegmentHeap::Ready::at_once);
      heap(device_type).refresh();
      std::ranges::move(heap(device_type).remove_free(SegmentHeap::Ready::at_once),
                        std::back_inserter(removed));
    }
  }
  return give_to_device(std::move(removed));
}

std::size_t MemoryPool::give_to_device(std::vector<SegmentHeap::Removed>&& removed) noexcept {
  std::size_t bytes = 0;
  if (open_parts_.are_told()) {
    const std::scoped_lock lock(mutex_);
    for (const SegmentHeap::Removed& segment : removed) {
      open_parts_.drop_segment(segment.memory);
    }
  }
  for (SegmentHeap::Removed& segment : removed) {
    unpoison(segment.memory.host, segment.size);
    device_state_->bury(segment.memory, std::move(segment.uses));
    bytes += segment.size;
  }
  // Only what the device has back makes room: others grow at the same time.
  const std::scoped_lock lock(mutex_);
  totals_.reserved_bytes -= bytes;
  return bytes;
}

std::size_t MemoryPool::trim() {
  process_.require_current("The memory pool");
  device_state_->reap();
  return release_cached();
}

void MemoryPool::fail(const Request& request) {
  const std::scoped_lock lock(mutex_);
  ++totals_.failures;
  const std::string limit =
      request.shortage == Shortage::count
          ? fmt::format("the limit of {} buffers", config_.count_limit)
      : request.shortage == Shortage::bytes
          ? fmt::format("the limit of {} bytes", config_.byte_limit)
          : fmt::format("the memory of the device ({} bytes)", device_state_->info().total_bytes);
  const auto taken_bytes = static_cast<std::uint64_t>(current_bytes());
  const auto taken = static_cast<std::uint64_t>(current_buffers());
  const std::uint64_t cached =
      totals_.reserved_bytes - std::min(totals_.reserved_bytes, taken_bytes);
  throw Error(request.shortage == Shortage::count ? ErrorCode::capacity : ErrorCode::out_of_memory,
              fmt::format("Request for {} bytes of {} memory exceeds {} of memory manager '{}' on "
                          "{}: {} bytes in {} buffers are taken, {} bytes are cached, of which {} "
                          "in one piece.",
                          request.size,
                          to_string(request.device_type),
                          limit,
                          config_.name,
                          device_state_->info().spec,
                          taken_bytes,
                          taken,
                          cached,
                          heap(request.device_type).largest_free()));
}

}  // namespace headrace::core
