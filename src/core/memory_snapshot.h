// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device_type.h"
#include "headrace/memory_manager.h"
#include "headrace/stats.h"

#include "core/tag_table.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace headrace::core {

/// What a pool holds at a moment, copied under its lock: plain values, nobody else's.
/// Design: docs/design/010-seeing-memory.md.
struct PoolSnapshot {
  using Time = std::chrono::steady_clock::time_point;

  struct Block {
    std::size_t requested = 0;  ///< Bytes; 0 when it is not taken.
    bool is_kept = false;       ///< Came back, and a CaptureScope keeps it.
    TagNumber tag = 0;          ///< Of the last take.
    std::uint64_t stream = 0;   ///< Id of the stream it is kept or taken for; 0 for any.
    Time since = {};            ///< The last take or return that was not a hit.
  };
  struct Span {
    bool is_free = false;
    std::size_t offset = 0;
    std::size_t size = 0;
    std::size_t capacity = 0;        ///< Bytes of a block; 0 when it is free.
    std::size_t places = 0;          ///< For blocks.
    std::size_t uses = 0;            ///< Streams that may still use what is in no block.
    std::vector<Block> blocks = {};  ///< In the first places.
  };
  struct Segment {
    DeviceType device_type = DeviceType::gpu;
    std::size_t size = 0;
    std::uint64_t address = 0;
    Time since = {};
    std::vector<Span> spans = {};
  };

  std::string manager;
  std::string device;
  std::size_t byte_limit = 0;
  std::size_t soft_byte_limit = 0;
  std::size_t count_limit = 0;
  Time taken_at = {};
  MemoryStats stats = {};
  std::vector<Segment> segments = {};
};

/// What is taken under each tag.
std::map<std::string, MemoryTagStats> sums_by_tag(const PoolSnapshot& snapshot);

/// The format that `MemoryManager::snapshot` describes.
std::string to_json(const PoolSnapshot& snapshot);

}  // namespace headrace::core
