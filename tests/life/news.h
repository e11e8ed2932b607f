// SPDX-License-Identifier: Apache-2.0
// The program's operator new, so that allocations can be counted and told to fail.
#pragma once

#include <atomic>
#include <cstddef>

// ThreadSanitizer's library defines the same operators, and no program may do so again.
#if defined(__SANITIZE_THREAD__)
#define HEADRACE_NEWS_ARE_TAKEN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HEADRACE_NEWS_ARE_TAKEN 1
#endif
#endif

namespace headrace::test {

#ifdef HEADRACE_NEWS_ARE_TAKEN
inline constexpr bool kNewsAreOurs = false;
#else
inline constexpr bool kNewsAreOurs = true;
#endif

/// Allocations of the calling thread until one fails, 0 for the next; -1 for no failure.
extern thread_local long news_until_failure;

/// Allocations of all threads so far.
extern std::atomic<std::size_t> news_so_far;

}  // namespace headrace::test
