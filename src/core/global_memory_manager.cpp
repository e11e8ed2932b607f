// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/memory_manager.h"

#include "core/access.h"
#include "core/log.h"
#include "core/memory_pool.h"

#include <cstdlib>
#include <mutex>
#include <utility>

namespace headrace {

namespace {
/// Never destroyed: buffers in static objects may outlive any order of destruction.
struct Global {
  std::mutex mutex;
  MemoryManager manager;
};
Global& global() {
  static auto* instance = new Global;
  return *instance;
}

void report_leaks_of(const MemoryManager& manager) noexcept {
  core::ManagerAccess::pool(manager)->report_leaks();
}
}  // namespace

void initialize_global_memory_manager(const Device& device, MemoryManagerConfig config) {
  const std::scoped_lock lock(global().mutex);
  if (global().manager) {
    return;
  }
  const bool report_leaks = config.report_leaks;
  global().manager = MemoryManager(device, std::move(config));
  if (report_leaks && std::atexit([] { report_leaks_of(global().manager); }) != 0) {
    core::log_error("no exit handler is left: the global memory manager will report no leaks");
  }
}

MemoryManager global_memory_manager() {
  const std::scoped_lock lock(global().mutex);
  if (!global().manager) {
    throw Error(ErrorCode::invalid_argument,
                "There is no global memory manager; call initialize_global_memory_manager first.");
  }
  return global().manager;
}

Device get_device() {
  return global_memory_manager().device();
}

}  // namespace headrace
