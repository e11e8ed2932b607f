// SPDX-License-Identifier: Apache-2.0
#include "sources/file_backed.h"

#include <algorithm>
#include <cstddef>
#include <sys/resource.h>

namespace headrace::sources {

void FileBacked::prefetch(std::uint64_t /*sample*/) const noexcept {}

void FileBacked::prefetch_begin(std::span<const std::byte> part) noexcept {
  // So many lines that copying them takes as long as the memory's answer; the processor sees by
  // then that the part goes on, and fetches the rest by itself.
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kLines = 8;
  for (std::size_t at = 0; at < std::min(part.size(), kLines * kLine); at += kLine) {
    __builtin_prefetch(part.data() + at);
  }
}

std::uint64_t FileBacked::storage_reads() const noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<std::uint64_t>(usage.ru_inblock + usage.ru_majflt);
}

}  // namespace headrace::sources
