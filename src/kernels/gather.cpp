// SPDX-License-Identifier: Apache-2.0
#include "kernels/gather.h"

#include <cstdint>
#include <cstring>

namespace headrace::kernels {
namespace {

struct Row {
  const std::byte* source;
  std::byte* target;
  std::size_t count;
};

template <class Raw>
[[gnu::always_inline]] inline void copy_strided(const std::byte* __restrict source,
                                                std::size_t stride,
                                                std::byte* __restrict target,
                                                std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(target + i * sizeof(Raw), source + i * stride * sizeof(Raw), sizeof(Raw));
  }
}

// A stride that the compiler knows becomes shuffles of whole vectors.
template <class Raw>
[[gnu::always_inline]] inline void copy_channel(const Row& row, std::size_t stride) noexcept {
  switch (stride) {
    case 2:
      return copy_strided<Raw>(row.source, 2, row.target, row.count);
    case 3:
      return copy_strided<Raw>(row.source, 3, row.target, row.count);
    case 4:
      return copy_strided<Raw>(row.source, 4, row.target, row.count);
    default:
      return copy_strided<Raw>(row.source, stride, row.target, row.count);
  }
}

[[gnu::always_inline]] inline void copy_any(const Row& row,
                                            std::size_t stride,
                                            std::size_t size) noexcept {
  switch (size) {
    case 1:
      return copy_channel<std::uint8_t>(row, stride);
    case 2:
      return copy_channel<std::uint16_t>(row, stride);
    case 4:
      return copy_channel<std::uint32_t>(row, stride);
    default:
      return copy_channel<std::uint64_t>(row, stride);
  }
}

#if defined(HEADRACE_X86_LEVELS)
HEADRACE_AVX2 void copy_avx2(const Row& row, std::size_t stride, std::size_t size) noexcept {
  copy_any(row, stride, size);
}
#endif

}  // namespace

void gather(const std::byte* source,
            std::size_t stride,
            std::byte* target,
            std::size_t count,
            std::size_t size,
            [[maybe_unused]] Level level) noexcept {
  const Row row{source, target, count};
#if defined(HEADRACE_X86_LEVELS)
  if (level >= Level::avx2) {
    return copy_avx2(row, stride, size);
  }
#endif
  copy_any(row, stride, size);
}

}  // namespace headrace::kernels
