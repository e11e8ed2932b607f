// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Patterns that say whose memory it is: damage shows, whoever did it.

namespace headrace::test {

/// Fills `size` bytes, a multiple of 8, with the pattern of `tag`.
inline void write_pattern(std::byte* bytes, std::size_t size, std::uint64_t tag) {
  for (std::size_t i = 0; i < size; i += sizeof(tag)) {
    const std::uint64_t word = tag * 0x9E3779B97F4A7C15U + i;
    std::memcpy(bytes + i, &word, sizeof(word));
  }
}

/// Whether the pattern of `tag` is there, whole.
[[nodiscard]] inline bool has_pattern(const std::byte* bytes, std::size_t size, std::uint64_t tag) {
  for (std::size_t i = 0; i < size; i += sizeof(tag)) {
    const std::uint64_t expected = tag * 0x9E3779B97F4A7C15U + i;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, sizeof(word));
    if (word != expected) {
      return false;
    }
  }
  return true;
}

/// What the checks found, of work on any thread.
struct Findings {
  std::atomic<std::uint64_t> checks = 0;
  std::atomic<std::uint64_t> damaged = 0;

  void check(const std::byte* bytes, std::size_t size, std::uint64_t tag) {
    ++checks;
    damaged += has_pattern(bytes, size, tag) ? 0 : 1;
  }
};

}  // namespace headrace::test
