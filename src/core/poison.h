// SPDX-License-Identifier: Apache-2.0
/// \file
/// Under AddressSanitizer, memory in the pool's hands that no work uses any more may not be
/// touched.
#pragma once

#include "core/block.h"

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define HEADRACE_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEADRACE_POISON 1
#endif
#endif

#ifdef HEADRACE_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace headrace::core {

#ifdef HEADRACE_POISON
inline constexpr bool kPoisons = true;
#else
inline constexpr bool kPoisons = false;
#endif

inline void poison([[maybe_unused]] const std::byte* memory, [[maybe_unused]] std::size_t size) {
#ifdef HEADRACE_POISON
  if (memory != nullptr) {
    __asan_poison_memory_region(memory, size);
  }
#endif
}

inline void unpoison([[maybe_unused]] const std::byte* memory, [[maybe_unused]] std::size_t size) {
#ifdef HEADRACE_POISON
  if (memory != nullptr) {
    __asan_unpoison_memory_region(memory, size);
  }
#endif
}

inline void poison(const Block& block) {
  poison(block.memory().host, block.capacity());
}

inline void unpoison(const Block& block) {
  unpoison(block.memory().host, block.capacity());
}

/// Poisons a block that was just returned to a cache, unless work of `stream` may still use it.
inline void poison_if_over([[maybe_unused]] const Block& block,
                           [[maybe_unused]] const StreamState& stream) {
#ifdef HEADRACE_POISON
  if (stream.has_passed(stream.stamp_serial())) {
    poison(block);
  }
#endif
}

}  // namespace headrace::core
