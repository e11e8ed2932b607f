// SPDX-License-Identifier: Apache-2.0
#include "news.h"

#include <cstdlib>
#include <new>

namespace headrace::test {

thread_local long news_until_failure = -1;
std::atomic<std::size_t> news_so_far = 0;

}  // namespace headrace::test

#ifndef HEADRACE_NEWS_ARE_TAKEN
// Not inlined: GCC would take the pairs for mismatched.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return ::operator new (size, std::align_val_t{alignof(std::max_align_t)});
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  long& until_failure = headrace::test::news_until_failure;
  if (until_failure >= 0 && until_failure-- == 0) {
    throw std::bad_alloc();
  }
  headrace::test::news_so_far.fetch_add(1, std::memory_order_relaxed);
  void* memory = nullptr;
  if (posix_memalign(&memory, static_cast<std::size_t>(alignment), size == 0 ? 1 : size) != 0) {
    throw std::bad_alloc();
  }
  return memory;
}
[[gnu::noinline]] void* operator new(std::size_t size,
                                     std::align_val_t alignment,
                                     const std::nothrow_t& /*unused*/) noexcept {
  try {
    return ::operator new(size, alignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& tag) noexcept {
  return ::operator new (size, std::align_val_t{alignof(std::max_align_t)}, tag);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif
