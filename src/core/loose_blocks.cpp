// SPDX-License-Identifier: Apache-2.0
#include "core/loose_blocks.h"

#include <algorithm>

namespace headrace::core {

namespace {
/// Blocks of a group that a take looks at. More than one, for they stand in the order of their
/// return, which is not always that of their last use.
constexpr int kLooks = 8;
}  // namespace

void LooseBlocks::push(Block& block) {
  const bool is_over = block.writers_.all_passed_or_on(nullptr);
  block.loose_group_ = is_over ? kAnybody : block.writers_.only_stream().value_or(kNobody);
  auto group = std::ranges::find(groups_, block.loose_group_, &Group::stream);
  if (group == groups_.end()) {
    groups_.push_back({block.loose_group_, {}});
    group = groups_.end() - 1;
  }
  group->blocks.push_newest(block);
}

void LooseBlocks::remove(Block& block) noexcept {
  const auto group = std::ranges::find(groups_, block.loose_group_, &Group::stream);
  group->blocks.remove(block);
  if (group->blocks.empty()) {
    groups_.erase(group);
  }
}

Block* LooseBlocks::newest_of(std::uint64_t stream) const noexcept {
  const auto group = std::ranges::find(groups_, stream, &Group::stream);
  return group == groups_.end() ? nullptr : group->blocks.newest();
}

Block* LooseBlocks::ready_for(const StreamState* user) const {
  if (Block* own = user == nullptr ? nullptr : newest_of(user->id())) {
    return own;  // The others may serve anybody.
  }
  if (Block* unused = newest_of(kAnybody)) {
    return unused;
  }
  for (const Group& group : groups_) {
    Block* block = group.blocks.oldest();
    for (int look = 0; block != nullptr && look < kLooks; ++look) {
      if (block->writers_.all_passed_or_on(user)) {
        return block;
      }
      block = BlockList::newer(*block);
    }
  }
  return nullptr;
}

void LooseBlocks::ask() const noexcept {
  const auto ask_about = [](const Block* block) {
    block->writers_.for_each([](const Ticket& use) { use.stream->is_complete(use.serial); });
  };
  for (const Group& group : groups_) {
    if (group.stream != kNobody) {
      ask_about(group.blocks.newest());  // What the stream has passed instead is known then, too.
      continue;
    }
    const Block* block = group.blocks.oldest();
    for (int look = 0; block != nullptr && look < kLooks; ++look) {
      ask_about(block);
      block = BlockList::newer(*block);
    }
  }
}

void LooseBlocks::ask_about_all() const {
  std::vector<Ticket> last;  // of each stream
  for_each([&last](const Block& block) {
    block.writers_.for_each([&last](const Ticket& use) {
      const auto known = std::ranges::find(last, use.stream, &Ticket::stream);
      if (known == last.end()) {
        last.push_back(use);
      } else {
        known->serial = std::max(known->serial, use.serial);
      }
    });
  });
  for (const Ticket& use : last) {
    use.stream->is_complete(use.serial);
  }
}

Block* LooseBlocks::oldest_waitable(const StreamState* user) const {
  Block* oldest = nullptr;
  for (const Group& group : groups_) {
    Block* block = group.blocks.oldest();
    while (block != nullptr && !block->writers_.can_be_waited_for(user)) {
      block = BlockList::newer(*block);
    }
    if (block != nullptr && (oldest == nullptr || block->since_ < oldest->since_)) {
      oldest = block;
    }
  }
  return oldest;
}

std::size_t LooseBlocks::size() const noexcept {
  std::size_t size = 0;
  for (const Group& group : groups_) {
    size += group.blocks.size();
  }
  return size;
}

}  // namespace headrace::core
