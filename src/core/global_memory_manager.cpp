// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/memory_manager.h"

#include "core/access.h"
#include "core/log.h"
#include "core/memory_pool.h"
#include "core/process.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

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

void report_leaks_at_exit() {
  const MemoryManager* manager = find();
  if (is_of_this_process(*manager)) {
    core::ManagerAccess::pool(*manager)->report_leaks();
  }
}
}  // namespace

void initialize_global_memory_manager(const Device& device, MemoryManagerConfig config) {
  const MemoryManager* known = find();
  if (known != nullptr && is_of_this_process(*known)) {
    return;
  }
  const bool report_leaks = config.report_leaks;
  auto made = std::make_unique<const MemoryManager>(device, std::move(config));
  {
    const std::scoped_lock lock(core::tables_mutex());
    if (global != known) {
      return;
    }
    global = made.release();  // Others may hold the address of a parent's: that one stays.
  }
  if (report_leaks && std::atexit(report_leaks_at_exit) != 0) {
    core::log_error("no exit handler is left: the global memory manager will report no leaks");
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
