// SPDX-License-Identifier: Apache-2.0
#include "core/memory_snapshot.h"

#include "core/memory_pool.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace headrace::core {

PoolSnapshot MemoryPool::snapshot() const {
  process_.require_current("The memory pool");
  PoolSnapshot all{.manager = config_.name,
                   .device = device_state_->info().spec,
                   .byte_limit = config_.byte_limit,
                   .soft_byte_limit = config_.soft_byte_limit,
                   .count_limit = config_.count_limit};
  const std::scoped_lock lock(mutex_);
  all.taken_at = Clock::now();
  all.stats = stats_now();
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const Segment* segment = nullptr;
    heaps_.at(kind).for_each([&](const Span& span) {
      if (span.segment != std::exchange(segment, span.segment)) {
        all.segments.push_back({.device_type = static_cast<DeviceType>(kind),
                                .size = segment->size,
                                .address = segment->memory.handle,
                                .since = segment->since});
      }
      all.segments.back().spans.push_back(copy_of(span));
    });
  }
  return all;
}

PoolSnapshot::Span MemoryPool::copy_of(const Span& span) {
  PoolSnapshot::Span copy{.is_free = span.is_free, .offset = span.offset, .size = span.size};
  span.uses.for_each(
      [&copy](const Ticket& use) { copy.uses += use.stream->has_passed(use.serial) ? 0U : 1U; });
  if (span.is_free) {
    return copy;
  }
  copy.capacity = span.capacity;
  copy.places = span.block_count;
  copy.blocks.reserve(span.carved);
  for (std::size_t i = 0; i < span.carved; ++i) {
    // Others may take or return the block meanwhile: only what they write as atomics, and what
    // changes under the pool's lock alone.
    const Block& block = span.blocks[i];
    const std::uint32_t stream = stream_of(block.cache_key_);
    const std::size_t requested = block.requested_.load(std::memory_order_relaxed);
    copy.blocks.push_back({.requested = requested,
                           .is_kept = requested == 0 && block.capture_ != nullptr,
                           .tag = block.tag_.load(std::memory_order_relaxed),
                           .stream = stream == kNoShortId ? 0 : stream,
                           .since = block.since_});
  }
  return copy;
}

namespace {

/// Calls `visit(span, block)` with every block that is taken.
template <class F>
void for_each_taken(const PoolSnapshot& snapshot, const F& visit) {
  for (const PoolSnapshot::Segment& segment : snapshot.segments) {
    for (const PoolSnapshot::Span& span : segment.spans) {
      for (const PoolSnapshot::Block& block : span.blocks) {
        if (block.requested != 0) {
          visit(span, block);
        }
      }
    }
  }
}

}  // namespace

std::map<std::string, MemoryTagStats> sums_by_tag(const PoolSnapshot& snapshot) {
  std::unordered_map<TagNumber, MemoryTagStats> sums;
  for_each_taken(snapshot, [&](const PoolSnapshot::Span& span, const PoolSnapshot::Block& block) {
    MemoryTagStats& sum = sums[block.tag];
    sum.bytes += span.capacity;
    sum.requested_bytes += block.requested;
    ++sum.buffers;
  });
  std::map<std::string, MemoryTagStats> named;
  for (const auto& [number, sum] : sums) {
    named.emplace(tag_name(number), sum);
  }
  return named;
}

namespace {

using Json = nlohmann::ordered_json;

// Raised when a reader of this one would misread what a later library writes.
constexpr int kVersion = 1;

double milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

Json json_of(const MemoryStats& stats) {
  Json json = {{"current_bytes", stats.current_bytes},
               {"peak_bytes", stats.peak_bytes},
               {"requested_bytes", stats.requested_bytes},
               {"cached_bytes", stats.cached_bytes},
               {"reserved_bytes", stats.reserved_bytes},
               {"peak_reserved_bytes", stats.peak_reserved_bytes},
               {"current_buffers", stats.current_buffers},
               {"cached_buffers", stats.cached_buffers},
               {"segments", stats.segments},
               {"free_bytes", stats.free_bytes},
               {"largest_free_bytes", stats.largest_free_bytes},
               {"hits", stats.hits},
               {"misses", stats.misses},
               {"stream_waits", stats.stream_waits},
               {"host_waits", stats.host_waits},
               {"failures", stats.failures},
               {"release_errors", stats.release_errors}};
  static_assert(sizeof(MemoryStats) == 17 * sizeof(std::uint64_t), "a field is missing above");
  json["fragmentation"] = stats.fragmentation();
  return json;
}

Json json_of(const std::map<std::string, MemoryTagStats>& tags) {
  Json json = Json::array();
  for (const auto& [name, sum] : tags) {
    json.push_back({{"tag", name},
                    {"bytes", sum.bytes},
                    {"requested_bytes", sum.requested_bytes},
                    {"buffers", sum.buffers}});
  }
  return json;
}

/// Prints what is in segments.
class Printer {
 public:
  explicit Printer(PoolSnapshot::Time taken_at) : taken_at_(taken_at) {}

  Json operator()(const PoolSnapshot::Segment& segment) {
    Json spans = Json::array();
    for (const PoolSnapshot::Span& span : segment.spans) {
      spans.push_back((*this)(span));
    }
    return {{"kind", to_string(segment.device_type)},
            {"bytes", segment.size},
            {"address", fmt::format("0x{:x}", segment.address)},
            {"age_ms", milliseconds(taken_at_ - segment.since)},
            {"spans", std::move(spans)}};
  }

 private:
  Json operator()(const PoolSnapshot::Span& span) {
    Json json = {{"offset", span.offset},
                 {"bytes", span.size},
                 {"state", span.is_free ? "free" : "blocks"},
                 {"uses", span.uses}};
    if (!span.is_free) {
      Json blocks = Json::array();
      for (const PoolSnapshot::Block& block : span.blocks) {
        blocks.push_back(
            (*this)(block, span.offset + blocks.size() * span.capacity, span.capacity));
      }
      json["capacity"] = span.capacity;
      json["uncarved"] = span.places - span.blocks.size();
      json["blocks"] = std::move(blocks);
    }
    return json;
  }

  static const char* state_of(const PoolSnapshot::Block& block) {
    return block.requested != 0 ? "taken" : block.is_kept ? "kept" : "cached";
  }

  Json operator()(const PoolSnapshot::Block& block, std::size_t offset, std::size_t capacity) {
    return {{"offset", offset},
            {"bytes", capacity},
            {"requested", block.requested},
            {"state", state_of(block)},
            {"tag", name_of(block.tag)},
            {"stream", block.stream},
            {"at_most_age_ms", milliseconds(taken_at_ - block.since)}};
  }

  const std::string& name_of(TagNumber tag) {
    std::string& name = names_[tag];
    if (name.empty()) {
      name = tag_name(tag);
    }
    return name;
  }

  const PoolSnapshot::Time taken_at_;
  std::unordered_map<TagNumber, std::string> names_;
};

}  // namespace

std::string to_json(const PoolSnapshot& snapshot) {
  Printer print(snapshot.taken_at);
  Json segments = Json::array();
  for (const PoolSnapshot::Segment& segment : snapshot.segments) {
    segments.push_back(print(segment));
  }
  const Json json = {{"version", kVersion},
                     {"manager", snapshot.manager},
                     {"device", snapshot.device},
                     {"limits",
                      {{"byte_limit", snapshot.byte_limit},
                       {"soft_byte_limit", snapshot.soft_byte_limit},
                       {"count_limit", snapshot.count_limit}}},
                     {"totals", json_of(snapshot.stats)},
                     {"tags", json_of(sums_by_tag(snapshot))},
                     {"segments", std::move(segments)}};
  // Names that are no UTF-8 are shown as well as they can be.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace headrace::core
