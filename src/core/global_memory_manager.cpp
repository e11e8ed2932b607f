// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/memory_manager.h"

#include "core/access.h"
#include "core/memory_pool.h"
#include "core/process.h"

#include <mutex>

namespace headrace {

namespace {
/// Never destroyed: buffers in static objects may outlive any order of destruction. Guarded by the
/// mutex of the process's tables.
constinit const MemoryManager* global = nullptr;

bool is_of_this_process(const MemoryManager& manager) {
  return core::ManagerAccess::pool(manager)->process().is_current();
}

const MemoryManager* find() {
  const std::scoped_lock lock(core::tables_mutex());
  return global;
}
}  // namespace

void initialize_global_memory_manager(const Device& device) {
  const MemoryManager* known = find();
  if (known != nullptr && is_of_this_process(*known)) {
    return;
  }
  auto made = std::make_unique<const MemoryManager>(device);
  const std::scoped_lock lock(core::tables_mutex());
  if (global == known) {
    global = made.release();  // Others may hold the address of a parent's: that one stays.
  }
}

MemoryManager global_memory_manager() {
  const MemoryManager* known = find();
  if (known == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "There is no global memory manager; call initialize_global_memory_manager first.");
  }
  core::ManagerAccess::pool(*known)->process().require_current("The global memory manager");
  return *known;
}

Device get_device() {
  return global_memory_manager().device();
}

}  // namespace headrace
