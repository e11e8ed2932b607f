// SPDX-License-Identifier: Apache-2.0
/// \file
/// Numbers for the names of memory tags, and the calling thread's current one.
/// Design: docs/design/010-seeing-memory.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::core {

using TagNumber = std::uint16_t;

inline constexpr std::size_t kMaxTagNames = 65'535;
inline constexpr std::size_t kMaxTagBytes = 64;

/// What the library takes for itself; these names are always known, so a tag of one never fails.
inline constexpr std::string_view kLoaderSlotsTag = "loader slots";
inline constexpr std::string_view kLoaderSlabsTag = "loader slabs";
inline constexpr std::string_view kStagingTag = "staging";

/// The number of a name, the same for the life of the process; 0 for an empty one.
///
/// Threads: safe from any thread.
/// \throws Error  `invalid_argument` for a bad name, `capacity` when all numbers are used.
TagNumber tag_number(std::string_view name);

/// The name that `tag_number` gave a number for.
std::string tag_name(TagNumber number);

/// The calling thread's tag.
class CurrentTag {
 public:
  static TagNumber get() noexcept { return number_; }
  static void set(TagNumber number) noexcept { number_ = number; }

 private:
  // Trivial and at a fixed place, so that finding it costs one load.
  // NOLINTNEXTLINE(readability-identifier-naming): a member, whatever follows its name
  static constinit thread_local TagNumber number_
#if defined(__GNUC__)
      __attribute__((tls_model("initial-exec")))
#endif
      ;
};

}  // namespace headrace::core
