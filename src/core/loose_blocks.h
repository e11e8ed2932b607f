// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/block.h"
#include "core/lane.h"
#include "core/timeline.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace::core {

/// Cached blocks of one class that are in nobody's cache, each with the work that may still use it.
///
/// They stand in groups by who may have them at once: anybody, one stream, nobody. So a take looks
/// at a few blocks of each group, however many there are. Not synchronised.
class LooseBlocks {
 public:
  void push(Block& block);
  void remove(Block& block) noexcept;

  /// A block that work on `user` may use at once, as far as is known; null means the host. Of a
  /// group that is another's only the oldest few are looked at. \returns null when none is found.
  [[nodiscard]] Block* ready_for(const StreamState* user) const;

  /// Asks the device about the work that those blocks wait for which a take looks at.
  void ask() const noexcept;
  /// The same for all blocks: one question a stream.
  void ask_about_all() const;

  /// The block that came first of those whose uses `user`, or with null the host, can wait for.
  /// \returns null when there is none.
  [[nodiscard]] Block* oldest_waitable(const StreamState* user) const;

  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return groups_.empty(); }

  template <class F>
  void for_each(const F& visit) const {
    for (const Group& group : groups_) {
      for (const Block* block = group.blocks.oldest(); block != nullptr;
           block = BlockList::newer(*block)) {
        visit(*block);
      }
    }
  }

 private:
  struct Group {
    std::uint64_t stream = 0;  // that may have them at once, kAnybody or kNobody
    BlockList blocks;
  };
  static constexpr std::uint64_t kAnybody = 0;
  static constexpr std::uint64_t kNobody = UINT64_MAX;

  [[nodiscard]] Block* newest_of(std::uint64_t stream) const noexcept;

  std::vector<Group> groups_;  // none is empty
};

}  // namespace headrace::core
