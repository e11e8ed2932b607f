// SPDX-License-Identifier: Apache-2.0
#include "kernels/copy_past_caches.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace headrace::kernels {

namespace {

#ifdef __SSE2__
constexpr std::size_t kLine = 64;

/// Copies the whole lines of `bytes` bytes; `to` is aligned. \returns Their bytes.
std::size_t copy_lines(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  const std::size_t whole = bytes / kLine * kLine;
  for (std::size_t i = 0; i < whole; i += kLine) {
    const auto* const source = reinterpret_cast<const __m128i*>(from + i);
    auto* const target = reinterpret_cast<__m128i*>(to + i);
    const __m128i a = _mm_loadu_si128(source);
    const __m128i b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2);
    const __m128i d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
  _mm_sfence();
  return whole;
}
#endif

}  // namespace

void copy_past_caches(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  std::size_t done = 0;
#ifdef __SSE2__
  const std::size_t to_line = (kLine - reinterpret_cast<std::uintptr_t>(to) % kLine) % kLine;
  done = std::min(bytes, to_line);
  std::copy_n(from, done, to);
  done += copy_lines(to + done, from + done, bytes - done);
#endif
  std::copy_n(from + done, bytes - done, to + done);
}

}  // namespace headrace::kernels
