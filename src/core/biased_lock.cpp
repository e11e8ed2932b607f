// SPDX-License-Identifier: Apache-2.0
#include "core/biased_lock.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
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
  if (!has_heavy_barrier() || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
    return;
  }
  // A fork may have left the new process unregistered, or memory may have been short.
  membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) || membarrier(MEMBARRIER_CMD_GLOBAL)) {
    return;
  }
  // Owners rely on it: without it two threads would be inside at once.
  std::fprintf(stderr,
               "headrace: membarrier(2) worked when the process began and now fails (error %d, "
               "perhaps by a seccomp filter): the locks of thread caches guard nothing.\n",
               errno);
  std::abort();
}

}  // namespace headrace::core
