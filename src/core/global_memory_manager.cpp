// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/memory_manager.h"

#include <mutex>

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
}  // namespace

void initialize_global_memory_manager(const Device& device) {
  const std::scoped_lock lock(global().mutex);
  if (!global().manager) {
    global().manager = MemoryManager(device);
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
