// SPDX-License-Identifier: Apache-2.0
#include "core/biased_lock.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace headrace::core {

namespace {
bool membarrier(int command) noexcept {
  return syscall(SYS_membarrier, command, 0, 0) == 0;
}
}  // namespace

constinit std::atomic<bool> NativePlatform::is_registered{false};

void NativePlatform::find_heavy_barrier() noexcept {
  if (!has_heavy_barrier() && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)) {
    is_registered.store(true, std::memory_order_relaxed);
  }
}

void NativePlatform::heavy_barrier() noexcept {
  if (has_heavy_barrier() && !membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
    // A fork may have left the new process unregistered.
    membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  }
}

}  // namespace headrace::core
