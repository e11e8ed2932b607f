// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <cstdint>
#include <string_view>

namespace headrace {

/// Names what the calling thread takes from any manager or pool until the scope ends:
///     const MemoryTag tag("activations");
///
/// Scopes nest: the innermost names a buffer, and its end brings back the one around it. A buffer
/// keeps the tag it was taken under, whoever returns it; `MemoryManager::tag_stats` and `snapshot`
/// show it. Other threads, also those the library runs, have tags of their own.
///
/// Life: ended by the thread that made it, the innermost first. Names are kept for the life of the
/// process, so they should be few: what memory is for, not whose it is. Threads: each its own;
/// making one takes a lock for a moment, so it belongs around a phase of work, not around each
/// take.
class HEADRACE_EXPORT MemoryTag {
 public:
  /// \param name  At most 64 bytes, without control characters; an empty one means no tag.
  /// \throws Error  `invalid_argument` for another name; `capacity` when the process has used
  ///                65,535 names. The tag around stays.
  [[nodiscard]] explicit MemoryTag(std::string_view name);
  MemoryTag(const MemoryTag&) = delete;
  MemoryTag& operator=(const MemoryTag&) = delete;
  ~MemoryTag();

 private:
  std::uint16_t around_;  // the number of the tag before
};

}  // namespace headrace
