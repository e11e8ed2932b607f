// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/headrace.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

// What the tests of `MemoryManager::snapshot` share.

namespace headrace::test {

using Json = nlohmann::json;

inline std::uint64_t number(const Json& object, const char* name) {
  return object.at(name).get<std::uint64_t>();
}

/// What the parts of a snapshot add up to.
struct SnapshotSums {
  std::uint64_t reserved_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t largest_free_bytes = 0;
  std::uint64_t segments = 0;
  std::map<std::string, std::uint64_t> bytes;    // by state of the blocks
  std::map<std::string, std::uint64_t> buffers;  // by state of the blocks
  std::map<std::string, MemoryTagStats> tags;    // of taken blocks
};

inline void add_block(const Json& block, SnapshotSums& sums) {
  const std::string state = block.at("state");
  sums.bytes[state] += number(block, "bytes");
  ++sums.buffers[state];
  EXPECT_LE(number(block, "requested"), number(block, "bytes"));
  EXPECT_GE(block.at("at_most_age_ms").get<double>(), 0);
  EXPECT_EQ(state == "taken", number(block, "requested") != 0);
  if (state == "taken") {
    MemoryTagStats& tag = sums.tags[block.at("tag").get<std::string>()];
    tag.bytes += number(block, "bytes");
    tag.requested_bytes += number(block, "requested");
    ++tag.buffers;
  }
}

/// Adds up a snapshot; blocks must cover their spans, and spans their segments, without a gap.
inline SnapshotSums add_up(const Json& snapshot) {
  SnapshotSums sums;
  for (const Json& segment : snapshot.at("segments")) {
    std::uint64_t end = 0;
    for (const Json& span : segment.at("spans")) {
      EXPECT_EQ(number(span, "offset"), end);
      if (span.at("state") == "free") {
        sums.free_bytes += number(span, "bytes");
        sums.largest_free_bytes = std::max(sums.largest_free_bytes, number(span, "bytes"));
        end += number(span, "bytes");
        continue;
      }
      for (const Json& block : span.at("blocks")) {
        EXPECT_EQ(number(block, "offset"), end);
        EXPECT_EQ(number(block, "bytes"), number(span, "capacity"));
        add_block(block, sums);
        end += number(block, "bytes");
      }
      end += number(span, "uncarved") * number(span, "capacity");
      EXPECT_EQ(end, number(span, "offset") + number(span, "bytes"));
    }
    EXPECT_EQ(number(segment, "bytes"), end);
    sums.reserved_bytes += end;
    ++sums.segments;
  }
  return sums;
}

inline std::map<std::string, MemoryTagStats> tags_of(const Json& snapshot) {
  std::map<std::string, MemoryTagStats> tags;
  for (const Json& tag : snapshot.at("tags")) {
    tags[tag.at("tag")] = {
        number(tag, "bytes"), number(tag, "requested_bytes"), number(tag, "buffers")};
  }
  return tags;
}

}  // namespace headrace::test
