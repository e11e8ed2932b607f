// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace headrace::cli {

/// A 64-bit hash of the samples delivered, in order, and the epochs they belong to. How they were
/// cut into batches makes no difference.
class OrderDigest {
 public:
  void add(std::uint64_t epoch, std::span<const std::uint64_t> ids) noexcept {
    if (!ids.empty() && (is_empty_ || epoch != epoch_)) {
      is_empty_ = false;
      epoch_ = epoch;
      mix(~epoch);
    }
    for (const std::uint64_t id : ids) {
      mix(id);
    }
  }

  [[nodiscard]] std::uint64_t value() const noexcept {
    std::uint64_t hash = hash_;
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
    return hash ^ hash >> 32;
  }

 private:
  void mix(std::uint64_t word) noexcept {
    hash_ = (std::rotl(hash_, 5) ^ word) * 0x9e3779b97f4a7c15;
  }

  std::uint64_t hash_ = 0;
  std::uint64_t epoch_ = 0;
  bool is_empty_ = true;
};

}  // namespace headrace::cli
