// SPDX-License-Identifier: Apache-2.0
#include "core/memory_pool.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/log.h"
#include "core/size_class.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace headrace::core {

namespace {
constexpr int kMaxPressureCalls = 8;
}  // namespace

MemoryPool::MemoryPool(Device device, MemoryManagerConfig config)
    : device_(std::move(device)),
      device_state_(DeviceAccess::state(device_)),
      config_(std::move(config)) {}

MemoryPool::~MemoryPool() {
  for (auto& [key, pool] : pools_) {
    while (pool.free != nullptr) {
      const std::unique_ptr<Block> block(take_next(&pool.free, pool));
      device_state_->bury(block->memory_, std::move(block->writers_));
    }
  }
}

Block* MemoryPool::take(std::size_t size,
                        DeviceType device_type,
                        std::shared_ptr<StreamState> stream) {
  if (size == 0) {
    auto empty = std::make_unique<Block>(MemoryBlock{.kind = HandleKind::none}, 0, device_type);
    empty->owner_ = shared_from_this();
    return empty.release();
  }
  Request request{size, {capacity_for(size, config_.size_classes), device_type}, std::move(stream)};
  for (int round = 0;; ++round) {
    if (Block* block = attempt(request)) {
      return block;
    }
    if (!make_room(request, round)) {
      fail(request);
    }
  }
}

Block* MemoryPool::try_take(std::size_t size,
                            DeviceType device_type,
                            std::shared_ptr<StreamState> stream) {
  try {
    return take(size, device_type, std::move(stream));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::capacity) {
      return nullptr;
    }
    throw;
  }
}

Block* MemoryPool::attempt(Request& request) {
  const std::size_t capacity = request.key.size;
  Block* block = nullptr;
  bool must_wait = false;
  {
    const std::scoped_lock lock(mutex_);
    ClassPool& pool = pools_[request.key];
    block = ready_block(request, pool);
    if (block == nullptr && (!may_grow(capacity) || above_soft_limit(capacity))) {
      block = oldest_block(pool);
      must_wait = block != nullptr;
    }
    if (block != nullptr) {
      note_taken_from_cache(*block, must_wait);
      hand_out(*block, request);
    } else if (may_grow(capacity)) {
      reserve(pool, capacity);
    } else {
      request.shortage = count_reached() ? Shortage::count : Shortage::bytes;
      return nullptr;
    }
  }
  if (block == nullptr) {
    return grow(request);
  }
  if (must_wait) {
    wait_for_uses(*block, *request.stream);
  }
  return block;
}

void MemoryPool::wait_for_uses(Block& block, StreamState& stream) {
  try {
    block.device_type_ == DeviceType::cpu ? block.wait_to_write() : block.before_write(stream);
  } catch (...) {
    give_back(&block);
    const std::scoped_lock lock(mutex_);
    ++stats_.failures;
    throw;
  }
}

void MemoryPool::note_taken_from_cache(const Block& block, bool must_wait) {
  ++stats_.hits;
  if (must_wait) {
    ++(block.device_type_ == DeviceType::cpu ? stats_.host_waits : stats_.stream_waits);
  }
  stats_.cached_bytes -= block.capacity_;
  --stats_.cached_buffers;
}

void MemoryPool::reserve(ClassPool& pool, std::size_t capacity) {
  stats_.reserved_bytes += capacity;
  ++pool.existing;
  ++existing_;
}

Block* MemoryPool::ready_block(const Request& request, ClassPool& pool) {
  for (Block** link = &pool.free; *link != nullptr; link = &(*link)->next_) {
    UseList& uses = (*link)->writers_;
    // The host is on no stream, so memory it will write must be out of every use.
    const bool ready = request.key.device == DeviceType::cpu
                           ? uses.all_complete()
                           : uses.all_complete_or_on(*request.stream);
    if (ready) {
      return take_next(link, pool);
    }
  }
  return nullptr;
}

Block* MemoryPool::oldest_block(ClassPool& pool) {
  Block** last = &pool.free;
  while (*last != nullptr && (*last)->next_ != nullptr) {
    last = &(*last)->next_;
  }
  return *last == nullptr ? nullptr : take_next(last, pool);
}

Block* MemoryPool::take_next(Block** link, ClassPool& pool) noexcept {
  Block* block = *link;
  *link = block->next_;
  block->next_ = nullptr;
  --pool.cached;
  return block;
}

bool MemoryPool::count_reached() const {
  return config_.count_limit != 0 && existing_ >= config_.count_limit;
}

bool MemoryPool::bytes_reached(std::size_t more) const {
  return config_.byte_limit != 0 && (stats_.reserved_bytes > config_.byte_limit ||
                                     more > config_.byte_limit - stats_.reserved_bytes);
}

bool MemoryPool::may_grow(std::size_t bytes) const {
  return !count_reached() && !bytes_reached(bytes);
}

bool MemoryPool::above_soft_limit(std::size_t more) const {
  return config_.soft_byte_limit != 0 && stats_.reserved_bytes + more > config_.soft_byte_limit;
}

void MemoryPool::hand_out(Block& block, const Request& request) {
  block.requested_ = request.size;
  block.written_ = nullptr;
  block.owner_ = shared_from_this();
  block.stream_ = request.stream;
  stats_.current_bytes += block.capacity_;
  stats_.requested_bytes += request.size;
  ++stats_.current_buffers;
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.current_bytes);
}

Block* MemoryPool::grow(Request& request) {
  MemoryBlock memory;
  std::exception_ptr failure;
  try {
    memory = device_state_->backend().allocate(request.key.device, request.key.size);
  } catch (const Error& error) {
    failure = error.code() == ErrorCode::out_of_memory ? nullptr : std::current_exception();
  } catch (...) {
    failure = std::current_exception();
  }
  const std::scoped_lock lock(mutex_);
  if (memory.size == 0) {
    stats_.reserved_bytes -= request.key.size;
    --existing_;
    --pools_[request.key].existing;
    if (failure) {
      ++stats_.failures;
      std::rethrow_exception(failure);
    }
    request.shortage = Shortage::device;
    return nullptr;
  }
  auto block = std::make_unique<Block>(memory, request.key.size, request.key.device);
  ++stats_.misses;
  stats_.peak_reserved_bytes = std::max(stats_.peak_reserved_bytes, stats_.reserved_bytes);
  hand_out(*block, request);
  return block.release();
}

bool MemoryPool::make_room(Request& request, int round) {
  if (round == 0) {
    if (may_find_room()) {
      device_state_->reap();
      release_cached();
    }
    return true;
  }
  if (round == 1) {
    if (may_find_room()) {
      finish_all_cached();
    }
    return true;
  }
  if (request.is_last_round || round >= 2 + kMaxPressureCalls || !config_.pressure_callback) {
    return false;
  }
  // What it gave back is in use until its streams are done; also when it has nothing more to give.
  request.is_last_round = !config_.pressure_callback(request.size);
  finish_all_cached();
  return true;
}

bool MemoryPool::may_find_room() const {
  const std::scoped_lock lock(mutex_);
  return stats_.cached_buffers != 0 || !count_reached();
}

void MemoryPool::finish_all_cached() {
  try {
    device_state_->synchronize();
  } catch (const Error& error) {
    log_error(error.what());  // The request's own error is the one to throw.
  }
  release_cached();
}

std::size_t MemoryPool::release_cached() {
  // One at a time: whoever comes second must not find the memory neither cached nor given back.
  const std::scoped_lock releasing(release_mutex_);
  std::vector<std::unique_ptr<Block>> released;
  {
    const std::scoped_lock lock(mutex_);
    for (auto& [key, pool] : pools_) {
      Block** link = &pool.free;
      while (*link != nullptr) {
        if (!(*link)->writers_.all_complete()) {
          link = &(*link)->next_;
          continue;
        }
        released.emplace_back(take_next(link, pool));
        --stats_.cached_buffers;
        stats_.cached_bytes -= key.size;
      }
    }
  }
  std::size_t bytes = 0;
  for (const std::unique_ptr<Block>& block : released) {
    device_state_->bury(block->memory_, std::move(block->writers_));
  }
  // Only what the device has back makes room: others grow at the same time.
  const std::scoped_lock lock(mutex_);
  for (const std::unique_ptr<Block>& block : released) {
    --pools_[{block->capacity_, block->device_type_}].existing;
    --existing_;
    stats_.reserved_bytes -= block->capacity_;
    bytes += block->capacity_;
  }
  return bytes;
}

void MemoryPool::fail(const Request& request) {
  const std::scoped_lock lock(mutex_);
  ++stats_.failures;
  const std::string limit =
      request.shortage == Shortage::count
          ? fmt::format("the limit of {} buffers", config_.count_limit)
      : request.shortage == Shortage::bytes
          ? fmt::format("the limit of {} bytes", config_.byte_limit)
          : fmt::format("the memory of the device ({} bytes)", device_state_->info().total_bytes);
  throw Error(request.shortage == Shortage::count ? ErrorCode::capacity : ErrorCode::out_of_memory,
              fmt::format("Request for {} bytes of {} memory exceeds {} of memory manager '{}' on "
                          "{}: {} bytes in {} buffers are taken, {} bytes in {} are cached.",
                          request.size,
                          to_string(request.key.device),
                          limit,
                          config_.name,
                          device_state_->info().spec,
                          stats_.current_bytes,
                          stats_.current_buffers,
                          stats_.cached_bytes,
                          stats_.cached_buffers));
}

void MemoryPool::give_back(Block* block) noexcept {
  const std::shared_ptr<MemoryPool> pool = std::move(block->owner_);
  if (block->capacity_ == 0) {
    delete block;
    return;
  }
  try {
    block->record_use(*block->stream_);
  } catch (const std::exception& error) {
    log_error(error.what());
    block->writers_.add(block->stream_->next());  // Recorded when somebody asks for the memory.
    const std::scoped_lock lock(pool->mutex_);
    ++pool->stats_.release_errors;
  }
  block->stream_.reset();
  pool->cache(block);
}

void MemoryPool::cache(Block* block) noexcept {
  const std::scoped_lock lock(mutex_);
  block->writers_.add(block->readers_);
  block->readers_.clear();
  ClassPool& pool = pools_.find({block->capacity_, block->device_type_})->second;
  block->next_ = pool.free;
  pool.free = block;
  ++pool.cached;
  stats_.current_bytes -= block->capacity_;
  stats_.requested_bytes -= block->requested_;
  --stats_.current_buffers;
  stats_.cached_bytes += block->capacity_;
  ++stats_.cached_buffers;
}

std::size_t MemoryPool::trim() {
  device_state_->reap();
  return release_cached();
}

MemoryStats MemoryPool::stats() const {
  const std::scoped_lock lock(mutex_);
  return stats_;
}

std::map<PoolKey, BufferPoolStats> MemoryPool::pool_stats() const {
  const std::scoped_lock lock(mutex_);
  std::map<PoolKey, BufferPoolStats> all;
  for (const auto& [key, pool] : pools_) {
    if (pool.existing != 0) {
      all[key] = {pool.cached, pool.existing, config_.count_limit};
    }
  }
  return all;
}

BufferPoolStats MemoryPool::buffer_stats() const {
  const std::scoped_lock lock(mutex_);
  return {stats_.cached_buffers, existing_, config_.count_limit};
}

}  // namespace headrace::core
