// SPDX-License-Identifier: Apache-2.0
#include "core/lane.h"

namespace headrace::core {

void BlockList::push_newest(Block& block) noexcept {
  block.next_ = nullptr;
  block.previous_ = last_;
  (last_ == nullptr ? first_ : last_->next_) = &block;
  last_ = &block;
  ++size_;
}

void BlockList::remove(Block& block) noexcept {
  (block.previous_ == nullptr ? first_ : block.previous_->next_) = block.next_;
  (block.next_ == nullptr ? last_ : block.next_->previous_) = block.previous_;
  block.next_ = block.previous_ = nullptr;
  --size_;
}

void CentralList::push(Block& first, std::size_t size) noexcept {
  const std::scoped_lock lock(mutex_);
  first.chain_size_ = static_cast<std::uint32_t>(size);
  first.next_chain_ = top_;
  top_ = &first;
  size_.store(size_.load(std::memory_order_relaxed) + size, std::memory_order_relaxed);
}

std::pair<Block*, std::size_t> CentralList::pop() noexcept {
  const std::scoped_lock lock(mutex_);
  Block* first = top_;
  if (first == nullptr) {
    return {nullptr, 0};
  }
  top_ = std::exchange(first->next_chain_, nullptr);
  size_.store(size_.load(std::memory_order_relaxed) - first->chain_size_,
              std::memory_order_relaxed);
  return {first, first->chain_size_};
}

std::pair<Block*, std::size_t> CentralList::pop_passed(const StreamState& stream) noexcept {
  const std::scoped_lock lock(mutex_);
  Block** found = nullptr;
  for (Block** link = &top_; *link != nullptr; link = &(*link)->next_chain_) {
    if (stream.has_passed((*link)->serial_)) {
      found = link;
    }
  }
  if (found == nullptr) {
    return {nullptr, 0};
  }
  Block* first = *found;
  *found = std::exchange(first->next_chain_, nullptr);
  size_.store(size_.load(std::memory_order_relaxed) - first->chain_size_,
              std::memory_order_relaxed);
  return {first, first->chain_size_};
}

}  // namespace headrace::core
