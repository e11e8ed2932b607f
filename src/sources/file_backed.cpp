// SPDX-License-Identifier: Apache-2.0
#include "sources/file_backed.h"

#include <sys/resource.h>

namespace headrace::sources {

std::uint64_t FileBacked::storage_reads() const noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<std::uint64_t>(usage.ru_inblock + usage.ru_majflt);
}

}  // namespace headrace::sources
