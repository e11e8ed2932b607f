// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace headrace::core {

/// What thread caches find their magazines by: the number of a pool, above that of one of its
/// streams, 0 for the default one. Such numbers are never used again, so that a key never comes to
/// mean something else; those that do not fit in 32 bits are kept by no cache.
using CacheKey = std::uint64_t;

/// The number of what does not fit.
inline constexpr std::uint32_t kNoShortId = UINT32_MAX;

/// Of no pool and no stream.
inline constexpr CacheKey kNoCacheKey = UINT64_MAX;

constexpr std::uint32_t short_id(std::uint64_t id) noexcept {
  return id < kNoShortId ? static_cast<std::uint32_t>(id) : kNoShortId;
}

constexpr CacheKey cache_key(std::uint32_t pool, std::uint32_t stream) noexcept {
  return CacheKey{pool} << 32U | stream;
}

constexpr std::uint32_t pool_of(CacheKey key) noexcept {
  return static_cast<std::uint32_t>(key >> 32U);
}

/// 0 for the default stream, `kNoShortId` for none.
constexpr std::uint32_t stream_of(CacheKey key) noexcept {
  return static_cast<std::uint32_t>(key);
}

/// Whether caches may keep what is found by `key`.
constexpr bool may_be_kept(CacheKey key) noexcept {
  return pool_of(key) != kNoShortId && stream_of(key) != kNoShortId;
}

}  // namespace headrace::core
