// SPDX-License-Identifier: Apache-2.0
#include "headrace/memory_manager.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/memory_pool.h"
#include "core/memory_snapshot.h"
#include "core/pointer_table.h"
#include "core/process.h"

#include <utility>

namespace headrace {

using core::made;

void core::throw_no_pool() {
  throw Error(ErrorCode::invalid_argument, "This MemoryManager was made without a device.");
}

MemoryManager::MemoryManager(Device device, MemoryManagerConfig config) {
  if (!device) {
    throw Error(ErrorCode::invalid_argument, "A MemoryManager needs an open device.");
  }
  pool_ = core::MemoryPool::make(std::move(device), std::move(config));
  // Goes with the last handle, and before the pool: then what is taken was not given back by
  // anyone.
  pointers_ = {new core::PointerTable, [pool = pool_](const core::PointerTable* pointers) {
                 if (pool->process().is_current()) {
                   pool->report_leaks();
                   delete pointers;
                 }
               }};
}

void MemoryManager::return_buffer(Buffer&& buffer) noexcept {
  Buffer(std::move(buffer)).reset();
}

void* MemoryManager::allocate_buffer(std::size_t size, const Stream& stream) {
  if (size == 0) {
    return nullptr;
  }
  Buffer buffer = get_buffer(size, DeviceType::gpu, stream);
  return pointers_->insert(std::move(buffer));
}

void MemoryManager::release_buffer(void* pointer, const Stream& stream) {
  const core::MemoryPool& pool = made(pool_);
  if (pointer == nullptr || !pool.process().is_current()) {
    return;
  }
  const std::shared_ptr<core::StreamState> user = pool.device_state().resolve(stream);
  const Buffer buffer = pointers_->extract(pointer, pool.device().info().spec);
  core::BufferAccess::block(buffer)->note_last_use(*user);
}

std::map<PoolKey, BufferPoolStats> MemoryManager::pool_stats() const {
  return made(pool_).pool_stats();
}

MemoryStats MemoryManager::stats() const {
  return made(pool_).stats();
}

std::map<std::string, MemoryTagStats> MemoryManager::tag_stats() const {
  return core::sums_by_tag(made(pool_).snapshot());
}

std::string MemoryManager::snapshot() const {
  return core::to_json(made(pool_).snapshot());
}

void MemoryManager::reset_peaks() {
  made(pool_).reset_peaks();
}

std::size_t MemoryManager::trim() {
  return made(pool_).trim();
}

const Device& MemoryManager::device() const {
  return made(pool_).device();
}

}  // namespace headrace
