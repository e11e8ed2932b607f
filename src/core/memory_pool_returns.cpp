// SPDX-License-Identifier: Apache-2.0
// Returns that no thread cache takes, and the way back from caches to free memory.
#include "core/log.h"
#include "core/memory_pool.h"
#include "core/poison.h"
#include "core/stopped_caches.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace headrace::core {

void MemoryPool::give_back_slowly(Block* block) noexcept {
  if (log_) {
    log_->returned(block);  // Before the pool has it, and may hand it to somebody else.
  }
  if (block->capacity() == 0) {
    give_back_nothing(block);
    return;
  }
  const Ticket end = end_of_work(*block->lane_->stream);
  const bool was_captured = is_captured(*block->lane_);
  std::vector<SegmentHeap::Removed> removed;
  {
    const std::scoped_lock lock(mutex_);
    fold_own();
    count_bytes(-static_cast<std::int64_t>(block->capacity()),
                -static_cast<std::int64_t>(block->requested_.load(std::memory_order_relaxed)));
    Lane& lane = *block->lane_;
    if (block->slot_ != kNoSlot) {
      keep_from_now_on(lane);
    }
    --lane.taken;
    const bool is_kept = keep_for_captures(*block, was_captured);
    block->writers_.add(block->readers_);
    block->readers_.clear();
    // What becomes part of a free span has no age.
    end_take(*block, end, is_kept || block->slot_ != kNoSlot ? Clock::now() : Clock::time_point());
    if (!is_kept) {
      make_loose(*block);
    }
    drop_lane_if_over(lane);
    if (!is_closed_) {
      return;
    }
    removed = remove_unneeded(*block);
    ++visitors_;
  }
  leave_closed(std::move(removed));
}

void MemoryPool::keep_from_now_on(Lane& lane) noexcept {
  try {
    remember_cache(lane, false);
  } catch (const std::bad_alloc& error) {
    log_error(error.what());  // Without a cache the next return is dearer, that is all.
  }
}

void MemoryPool::give_back_nothing(Block* block) noexcept {
  delete block;
  {
    const std::scoped_lock lock(mutex_);
    --empty_buffers_;
    if (!is_closed_) {
      return;
    }
    ++visitors_;
  }
  leave_closed({});
}

void MemoryPool::leave_closed(std::vector<SegmentHeap::Removed>&& removed) noexcept {
  give_to_device(std::move(removed));
  bool is_last = false;
  {
    const std::scoped_lock lock(mutex_);
    --visitors_;
    is_last = outstanding() == 0;
  }
  if (is_last) {
    delete this;
  }
}

Ticket MemoryPool::end_of_work(StreamState& stream) noexcept {
  try {
    return stream.stamp();
  } catch (const std::exception& error) {
    log_error(error.what());
    const std::scoped_lock lock(mutex_);
    ++totals_.release_errors;
  }
  return stream.next();  // Recorded when somebody asks for the memory.
}

void MemoryPool::loosen(Block& block, const Ticket& end, Clock::time_point now) {
  end_take(block, end, now);
  make_loose(block);
}

void MemoryPool::end_take(Block& block, const Ticket& end, Clock::time_point now) {
  if (!end.stream->has_passed(end.serial)) {
    block.writers_.add(end);
    block.has_uses_ = true;
  }
  block.lane_ = nullptr;
  block.serial_ = 0;  // It was of the lane's stream; the next taker's may be another.
  block.cache_key_ = kNoCacheKey;
  block.since_ = now;
  block.requested_.store(0, std::memory_order_relaxed);
}

void MemoryPool::make_loose(Block& block) {
  if (kPoisons && block.writers_.all_passed_or_on(nullptr)) {
    poison(block);
  }
  if (open_parts_.are_told()) {
    open_parts_.close_after(block, block.writers_);
  }
  ++block.span_->cached;
  if (block.slot_ != kNoSlot) {
    slots_.at(block.slot_).loose.push(block);
  } else {
    release_span(*block.span_);
  }
}

void MemoryPool::release_span(Span& span) {
  UseList uses;
  for (std::size_t i = 0; i < span.carved; ++i) {
    Block& block = span.blocks[i];
    uses.add(block.writers_);
    block.forget_uses();
    if (span.slot != kNoSlot) {
      slots_.at(span.slot).loose.remove(block);
    }
  }
  const DeviceType device_type = span.blocks[0].device_type_;
  existing_ -= span.carved;
  if (span.slot != kNoSlot) {
    ClassPool& pool = slots_.at(span.slot);
    pool.existing -= span.carved;
    pool.carving = pool.carving == &span ? nullptr : pool.carving;
    uses.add(span.uses);  // Of what was never carved.
  }
  heap(device_type).give(&span, std::move(uses));
}

void MemoryPool::collect() {
  grown_since_collection_ = 0;
  const StoppedCaches stopped(caches_);
  for (const std::shared_ptr<ThreadCache>& cache : caches_) {
    empty_magazines(*cache, nullptr);
  }
  for (const auto& [id, lane] : lanes_) {
    empty_lists(*lane);
  }
}

void MemoryPool::empty_magazines(ThreadCache& cache, const Lane* only) {
  for (const std::unique_ptr<Magazines>& magazines : cache.lanes) {
    Lane* lane = magazines->lane;
    if (lane == nullptr || (only != nullptr && lane != only)) {
      continue;
    }
    for (Magazine& magazine : magazines->slots) {
      lane->taken += magazine.taken();
      totals_.hits += magazine.takes();
      loosen_chain(std::exchange(magazine.top, nullptr), *lane);
      magazine.note_moved_in(-magazine.size());
      magazine.count_anew();
    }
  }
  fold(cache.tally);
}

void MemoryPool::empty_lists(Lane& lane) {
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    while (lane.lists[slot].size() != 0) {
      Block* first = lane.lists[slot].pop().first;
      loosen_chain(first, lane);
    }
  }
}

void MemoryPool::loosen_chain(Block* newest, const Lane& lane) {
  Block* oldest = nullptr;
  while (newest != nullptr) {  // Turned round: the loose blocks stand in the order of return.
    Block* older = std::exchange(newest->next_, oldest);
    oldest = std::exchange(newest, older);
  }
  const Clock::time_point now = oldest == nullptr ? Clock::time_point() : Clock::now();
  while (oldest != nullptr) {
    Block* newer = oldest->next_;
    loosen(*oldest, {lane.stream, oldest->serial_}, now);
    oldest = newer;
  }
}

void MemoryPool::dissolve(DeviceType device_type,
                          const StreamState* user,
                          SegmentHeap::Ready ready) {
  std::vector<Span*> whole;
  const std::size_t first = slot_of(device_type, 0);
  for (std::size_t slot = first; slot < first + SizeClasses::kCount; ++slot) {
    const LooseBlocks& loose = slots_.at(slot).loose;
    loose.for_each([&whole](const Block& block) {
      if (block.span_->cached == block.span_->carved && &block == &block.span_->blocks[0]) {
        whole.push_back(block.span_);
      }
    });
    if (!whole.empty() && ready == SegmentHeap::Ready::at_once) {
      loose.ask_about_all();
    }
    for (Span* span : std::exchange(whole, {})) {
      bool may_go = true;
      for (std::size_t i = 0; i < span->carved && may_go; ++i) {
        may_go =
            ready == SegmentHeap::Ready::any || span->blocks[i].writers_.all_passed_or_on(user);
      }
      if (may_go) {
        release_span(*span);
      }
    }
  }
}

void MemoryPool::shut_caches(Lane& lane, Lane* owner) {
  const StoppedCaches stopped(caches_);
  for (const std::shared_ptr<ThreadCache>& cache : caches_) {
    empty_magazines(*cache, &lane);
    for (const std::unique_ptr<Magazines>& magazines : cache->lanes) {
      if (magazines->lane == &lane) {
        magazines->shut();
        magazines->lane = owner;
      }
    }
  }
  empty_lists(lane);
}

void MemoryPool::drop_lane_if_over(Lane& lane) {
  if (lane.is_retired && lane.taken == 0) {
    lanes_.erase(lane.stream->id());
  }
}

void MemoryPool::absorb(ThreadCache& cache) noexcept {
  const std::scoped_lock lock(mutex_);
  empty_magazines(cache, nullptr);
  std::erase_if(caches_, [&cache](const auto& mine) { return mine.get() == &cache; });
}

void MemoryPool::retire(const StreamState& stream) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto found = lanes_.find(stream.id());
  if (found == lanes_.end()) {
    return;
  }
  Lane& lane = *found->second;
  shut_caches(lane, nullptr);
  lane.is_retired = true;
  drop_lane_if_over(lane);
}

void MemoryPool::tell_what_is_over() noexcept {
  if (open_parts_.are_told()) {
    const std::scoped_lock lock(mutex_);
    open_parts_.close_what_is_over();
  }
}

std::int64_t MemoryPool::outstanding() const {
  std::int64_t taken = static_cast<std::int64_t>(empty_buffers_ + visitors_);
  for (const auto& [id, lane] : lanes_) {
    taken += lane->taken;
  }
  return taken;
}

std::vector<SegmentHeap::Removed> MemoryPool::remove_unneeded(const Block& returned) {
  Span* span = returned.span_;
  const DeviceType device_type = returned.device_type_;
  // A block of no class took its span along already.
  if (returned.slot_ != kNoSlot) {
    if (span->cached != span->carved) {
      return {};
    }
    release_span(*span);
  }
  return heap(device_type).remove_free(SegmentHeap::Ready::any);
}

}  // namespace headrace::core
