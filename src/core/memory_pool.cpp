// SPDX-License-Identifier: Apache-2.0
// Takes that no thread cache serves.
#include "core/memory_pool.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/capture.h"
#include "core/poison.h"
#include "core/tag_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace headrace::core {

namespace {

/// A magazine holds at most this many blocks and bytes, but always two blocks.
constexpr std::size_t kMagazineBlocks = 64;
constexpr std::size_t kMagazineBytes = std::size_t{8} << 20;
/// With slack, a pool may grow by this part after threads were disturbed for what they keep, before
/// they are again.
constexpr std::size_t kCollectionShare = 64;

std::uint32_t next_pool_number() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return short_id(last.fetch_add(1, std::memory_order_relaxed) + 1);
}

}  // namespace

std::shared_ptr<MemoryPool> MemoryPool::make(Device device,
                                             MemoryManagerConfig config,
                                             std::size_t only_size) {
  return {new MemoryPool(std::move(device), std::move(config), only_size),
          [](MemoryPool* pool) { pool->close(); }};
}

MemoryPool::MemoryPool(Device device, MemoryManagerConfig config, std::size_t only_size)
    : number_(next_pool_number()),
      device_(std::move(device)),
      device_state_(DeviceAccess::state(device_)),
      config_(std::move(config)),
      classes_(only_size == 0 ? SizeClasses(config_.size_classes)
                              : SizeClasses::only(capacity_for(only_size, SizeClassPolicy::exact))),
      only_size_(only_size),
      log_(config_.allocation_log.empty()
               ? nullptr
               : std::make_unique<AllocationLog>(config_.allocation_log)),
      open_parts_(device_state_->backend().sub_allocation_observer()) {
  if (const std::size_t wanted = device_state_->caps().alignment; wanted > kGranule) {
    throw Error(ErrorCode::unsupported,
                fmt::format("Device {} wants memory at multiples of {} bytes; blocks are at "
                            "multiples of {}.",
                            device_state_->info().spec,
                            wanted,
                            kGranule));
  }
  NativePlatform::find_heavy_barrier();
  link_->pool = this;
  device_state_->enlist(link_);
}

void MemoryPool::close() noexcept {
  if (!process_.is_current()) {
    return;
  }
  {
    const std::scoped_lock lock(link_->mutex);
    link_->pool = nullptr;
  }
  if (log_) {
    log_->flush();
  }
  std::vector<SegmentHeap::Removed> removed;
  {
    const std::scoped_lock lock(mutex_);
    is_closed_ = true;
    for (const std::shared_ptr<ThreadCache>& cache : caches_) {
      cache->lock.stop();  // For good: what comes back later comes to the pool itself.
    }
    NativePlatform::heavy_barrier();
    for (const std::shared_ptr<ThreadCache>& cache : caches_) {
      cache->lock.await_owner();
      empty_magazines(*cache, nullptr);
    }
    caches_.clear();
    for (const auto& [id, lane] : lanes_) {
      empty_lists(*lane);
    }
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      const auto device_type = static_cast<DeviceType>(kind);
      dissolve(device_type, nullptr, SegmentHeap::Ready::any);
      std::ranges::move(heap(device_type).remove_free(SegmentHeap::Ready::any),
                        std::back_inserter(removed));
    }
    ++visitors_;
  }
  leave_closed(std::move(removed));
}

Block* MemoryPool::try_take(std::size_t size, DeviceType device_type, const Stream& stream) {
  try {
    return take(size, device_type, stream);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::capacity) {
      return nullptr;
    }
    throw;
  }
}

Block* MemoryPool::take_slowly(std::size_t size,
                               DeviceType device_type,
                               const std::shared_ptr<StreamState>& stream,
                               CacheKey key) {
  process_.require_current("The memory pool");
  if (!log_) {
    return serve(size, device_type, stream, key);
  }
  const AllocationLog::Request request{size, device_type, stream->id()};
  try {
    Block* block = serve(size, device_type, stream, key);
    log_->taken(block, request);
    return block;
  } catch (...) {
    log_->failed(request);
    throw;
  }
}

Block* MemoryPool::serve(std::size_t size,
                         DeviceType device_type,
                         const std::shared_ptr<StreamState>& stream,
                         CacheKey key) {
  if (size == 0) {
    return take_nothing(device_type);
  }
  Request request{
      .size = size,
      .capacity = capacity_of(size),
      .device_type = device_type,
      .slot = classes_.serve(size) ? slot_of(device_type, classes_.index_of(size)) : kNoSlot,
      .stream = stream,
      .key = key,
      .is_told = open_parts_.are_told()};
  if (Block* block = refill(request)) {
    return block;
  }
  request.may_ask = !stream->is_capturing();
  for (int round = 0;; ++round) {
    if (Block* block = attempt(request)) {
      return block;
    }
    if (!make_room(request, round)) {
      fail(request);
    }
  }
}

std::size_t MemoryPool::usable_bytes(const Block& block) const noexcept {
  return open_parts_.are_told() ? block.requested_.load(std::memory_order_relaxed)
                                : block.capacity();
}

std::size_t MemoryPool::capacity_of(std::size_t size) const {
  return classes_.serve(size) ? classes_.capacity_of(classes_.index_of(size))
                              : capacity_for(size, config_.size_classes);
}

Block* MemoryPool::take_nothing(DeviceType device_type) {
  auto empty = std::make_unique<Block>();
  empty->pool_ = this;
  empty->device_type_ = device_type;
  empty->slot_ = kNoSlot;
  const std::scoped_lock lock(mutex_);
  ++empty_buffers_;
  return empty.release();
}

Block* MemoryPool::attempt(Request& request) {
  Block* block = nullptr;
  bool must_wait = false;
  std::size_t growth = 0;
  bool is_too_much = false;
  {
    const std::scoped_lock lock(mutex_);
    request.lane = &lane_of(request.stream);
    request.capture = request.may_ask ? nullptr : request.lane->capture;
    if (request.slot != kNoSlot) {
      remember_cache(*request.lane, stream_of(request.key) == 0);
    }
    block = cached_or_carved(request, must_wait);
    if (block != nullptr) {
      ++totals_.hits;
      hand_out(*block, request, must_wait);
    } else if (may_grow(request.capacity)) {
      growth = segment_size(request);
      is_too_much = request.may_ask && has_slack(request);
      totals_.reserved_bytes += growth;
      ++existing_;
    } else {
      request.shortage = count_reached() ? Shortage::count : Shortage::bytes;
      return nullptr;
    }
  }
  if (block == nullptr) {
    if (is_too_much) {
      give_surplus_back(request);
    }
    return grow(request, growth);
  }
  if (must_wait) {
    wait_for_uses(*block, request);
  }
  return block;
}

Block* MemoryPool::at_hand(const Request& request) {
  if (request.capture) {
    if (Block* block =
            request.capture->reuse(request.slot, request.capacity, request.device_type)) {
      return block;
    }
  }
  if (Block* block = ready_loose(request)) {
    return block;
  }
  return count_reached() ? nullptr : carve(request, Fit::one_span);
}

Block* MemoryPool::cached_or_carved(Request& request, bool& must_wait) {
  if (Block* block = at_hand(request)) {
    return block;
  }
  if (may_grow(request.capacity) && !above_soft_limit(request.capacity) &&
      (!has_slack(request) ||
       grown_since_collection_ + request.capacity <= growth_before_collection(request))) {
    return nullptr;
  }
  collect();
  if (Block* block = ready_loose(request)) {
    return block;
  }
  if (request.may_ask) {
    dissolve(request.device_type, request.user(), SegmentHeap::Ready::at_once);
    heap(request.device_type).refresh();
    if (!count_reached()) {
      if (Block* block = carve(request, Fit::run)) {
        return block;
      }
    }
  }
  if (!request.may_ask || (may_grow(request.capacity) && !above_soft_limit(request.capacity))) {
    return nullptr;
  }
  must_wait = true;
  if (Block* block = waitable_loose(request)) {
    return block;
  }
  return count_reached() ? nullptr : carve(request, Fit::any_run);
}

std::size_t MemoryPool::growth_before_collection(const Request& request) const {
  // A block for each of several threads: else they would take the last one from each other for
  // ever.
  const std::size_t threads = caches_.size() > 1 ? caches_.size() : 0;
  return std::max(totals_.reserved_bytes / kCollectionShare, threads * request.capacity);
}

Lane& MemoryPool::lane_of(const std::shared_ptr<StreamState>& stream) {
  const auto found = lanes_.find(stream->id());
  if (found != lanes_.end()) {
    return *found->second;
  }
  return *lanes_.emplace(stream->id(), std::make_unique<Lane>(stream)).first->second;
}

void MemoryPool::remember_cache(Lane& lane, bool is_default) {
  // The end of another's stream can come at any time, so its frees are marked one by one; and what
  // a cache serves is neither logged, told to a tool nor kept for a capture. Nobody would empty a
  // closed pool's.
  const CacheKey key = cache_key(number_, lane.stream->short_id());
  if (is_closed_ || lane.is_retired || lane.stream->is_adopted() || lane.capture || log_ ||
      open_parts_.are_told() || !may_be_kept(key)) {
    return;
  }
  ThreadCache* cache = ThreadCaches::cache_of(number_);
  if (cache == nullptr) {
    auto made = std::make_shared<ThreadCache>(number_, link_);
    caches_.reserve(caches_.size() + 1);
    if (!ThreadCaches::keep(made)) {
      return;
    }
    caches_.push_back(made);
    cache = made.get();
  }
  std::erase_if(cache->lanes, [](const std::unique_ptr<Magazines>& magazines) {
    if (magazines->lane == nullptr) {
      ThreadCaches::forget(*magazines);
    }
    return magazines->lane == nullptr;
  });
  const auto mine = std::ranges::find_if(
      cache->lanes, [&lane](const auto& magazines) { return magazines->lane == &lane; });
  if (mine != cache->lanes.end()) {
    (*mine)->is_default |= is_default;
    return;
  }
  cache->lanes.push_back(std::make_unique<Magazines>(lane, key));
  open(*cache->lanes.back());
  cache->lanes.back()->is_default = is_default;
}

void MemoryPool::open(Magazines& magazines) const noexcept {
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const std::size_t capacity =
        std::max<std::size_t>(classes_.capacity_of(slot % SizeClasses::kCount), 1);
    magazines.slots.at(slot).limit = static_cast<std::int32_t>(
        std::clamp<std::size_t>(kMagazineBytes / capacity, 2, kMagazineBlocks));
  }
}

Block* MemoryPool::ready_loose(const Request& request) {
  if (request.slot == kNoSlot) {
    return nullptr;
  }
  const LooseBlocks& loose = slots_.at(request.slot).loose;
  Block* block = loose.ready_for(request.user());
  if (block == nullptr && request.may_ask) {
    loose.ask();
    block = loose.ready_for(request.user());
  }
  if (block != nullptr) {
    take_loose(*block, request);
    refill_from_loose(request);
  }
  return block;
}

Block* MemoryPool::waitable_loose(const Request& request) {
  if (request.slot == kNoSlot) {
    return nullptr;
  }
  Block* block = slots_.at(request.slot).loose.oldest_waitable(request.user());
  return block == nullptr ? nullptr : take_loose(*block, request);
}

void MemoryPool::refill_from_loose(const Request& request) {
  const CacheEntry* entry =
      ThreadCaches::find_again(cache_key(number_, request.stream->short_id()));
  if (entry == nullptr || !entry->cache->lock.try_enter()) {
    return;
  }
  // Nobody else can have stopped it, for that takes the pool's lock.
  Magazine& magazine = entry->magazines->slots.at(request.slot);
  const LooseBlocks& loose = slots_.at(request.slot).loose;
  const std::size_t share = loose.size() / std::max<std::size_t>(caches_.size(), 1);
  const std::int32_t wanted =
      std::min(magazine.limit / 2, static_cast<std::int32_t>(std::min<std::size_t>(share, 64)));
  while (magazine.size() < wanted) {
    Block* block = loose.ready_for(request.user());
    if (block == nullptr) {
      break;
    }
    take_loose(*block, request);
    begin_use(*block, request);
    block->next_ = std::exchange(magazine.top, block);
    magazine.note_moved_in(1);
  }
  entry->cache->lock.leave();
}

Block* MemoryPool::take_loose(Block& block, const Request& request) {
  slots_.at(request.slot).loose.remove(block);
  --block.span_->cached;
  return &block;
}

void MemoryPool::hand_out(Block& block, const Request& request, bool must_wait) {
  unpoison(block);
  block.tag_.store(CurrentTag::get(), std::memory_order_relaxed);
  block.since_ = std::chrono::steady_clock::now();
  block.requested_.store(request.size, std::memory_order_relaxed);
  if (must_wait) {
    give_to_lane(block, request);
  } else {
    begin_use(block, request);
    tell_of(block, request);
  }
  ++request.lane->taken;
  fold_own();
  count_bytes(static_cast<std::int64_t>(block.capacity()), static_cast<std::int64_t>(request.size));
}

void MemoryPool::give_to_lane(Block& block, const Request& request) {
  block.lane_ = request.lane;
  block.capture_ = request.capture;
  block.is_of_capture_ = request.capture != nullptr;
  const bool is_for_caches = block.slot_ != kNoSlot && !request.capture;
  block.cache_key_ = cache_key(is_for_caches ? number_ : kNoShortId, request.stream->short_id());
}

void MemoryPool::begin_use(Block& block, const Request& request) {
  give_to_lane(block, request);
  MarkerSerial end = 0;  // Uses that are not over are the stream's own.
  block.writers_.for_each([&end](const Ticket& use) { end = std::max(end, use.serial); });
  block.end_uses_at(end);
}

void MemoryPool::tell_of(const Block& block, const Request& request) noexcept {
  if (open_parts_.are_told()) {
    // A graph may use its memory again, for more bytes.
    open_parts_.open(block, request.capture ? block.capacity() : request.size);
  }
}

void MemoryPool::wait_for_uses(Block& block, const Request& request) {
  const bool by_host = request.is_after_all();
  StreamState& stream = *request.stream;
  try {
    by_host ? block.wait_to_write() : block.before_write(stream);
  } catch (...) {
    give_back(&block);
    const std::scoped_lock lock(mutex_);
    ++totals_.failures;
    throw;
  }
  if (by_host) {
    block.end_uses_at(0);
  } else {
    block.end_waited_uses_at(stream, stream.stamp_serial());
  }
  const std::scoped_lock lock(mutex_);
  tell_of(block, request);
  ++(by_host ? totals_.host_waits : totals_.stream_waits);
}

}  // namespace headrace::core
