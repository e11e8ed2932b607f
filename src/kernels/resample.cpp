// SPDX-License-Identifier: Apache-2.0
#include "kernels/resample.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(HEADRACE_X86_LEVELS)
#include <immintrin.h>
#endif

namespace headrace::kernels {
namespace {

constexpr std::size_t kChannels = 3;
constexpr std::int32_t kHalf = std::int32_t{1} << (kResampleBits - 1);

/// Bytes of a row that are summed at a time: their sums stay in registers or nearly.
constexpr std::size_t kBlock = 64;

[[gnu::always_inline]] inline std::uint8_t to_byte(std::int32_t sum) noexcept {
  return static_cast<std::uint8_t>(std::clamp(sum >> kResampleBits, 0, 255));
}

void resample_scalar(const std::uint8_t* row,
                     std::span<const ResamplePixel> pixels,
                     const std::int32_t* weights,
                     std::uint8_t* into) noexcept {
  for (const ResamplePixel& pixel : pixels) {
    const std::uint8_t* from = row + pixel.first * kChannels;
    std::array<std::int32_t, kChannels> sums{kHalf, kHalf, kHalf};
    for (std::size_t tap = 0; tap < pixel.count; ++tap, from += kChannels) {
      const std::int32_t weight = weights[pixel.weights + tap];
      sums[0] += from[0] * weight;
      sums[1] += from[1] * weight;
      sums[2] += from[2] * weight;
    }
    into = std::transform(sums.begin(), sums.end(), into, to_byte);
  }
}

#if defined(HEADRACE_X86_LEVELS)
/// The sums of four neighbouring pixels by their weights, to be added lane to lane.
///
/// The processor multiplies 16 bits by 16 and adds neighbours in one step, so a weight is taken as
/// `high * 2^15 + low`; the low parts' sum may wrap, and the whole comes out right.
HEADRACE_AVX2 inline __m256i sum_four(const std::uint8_t* from,
                                      const std::int32_t* weights) noexcept {
  constexpr char kNone = -1;
  const __m256i pairs = _mm256_setr_epi8(0,
                                         kNone,
                                         3,
                                         kNone,
                                         1,
                                         kNone,
                                         4,
                                         kNone,
                                         2,
                                         kNone,
                                         5,
                                         kNone,
                                         kNone,
                                         kNone,
                                         kNone,
                                         kNone,  //
                                         6,
                                         kNone,
                                         9,
                                         kNone,
                                         7,
                                         kNone,
                                         10,
                                         kNone,
                                         8,
                                         kNone,
                                         11,
                                         kNone,
                                         kNone,
                                         kNone,
                                         kNone,
                                         kNone);
  const __m128i whole = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights));
  const __m128i low = _mm_and_si128(whole, _mm_set1_epi32(0x7FFF));
  const __m256i halves = _mm256_castsi128_si256(_mm_packs_epi32(low, _mm_srai_epi32(whole, 15)));
  const __m256i lows =
      _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
  const __m256i highs =
      _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3));
  const __m256i bytes =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  const __m256i pixels = _mm256_shuffle_epi8(bytes, pairs);
  // NOLINTNEXTLINE(portability-simd-intrinsics): one of many instructions
  return _mm256_add_epi32(_mm256_slli_epi32(_mm256_madd_epi16(pixels, highs), 15),
                          _mm256_madd_epi16(pixels, lows));
}

// NOLINTBEGIN(portability-simd-intrinsics): as above
HEADRACE_AVX2 void resample_avx2(const std::uint8_t* row,
                                 std::span<const ResamplePixel> pixels,
                                 const std::int32_t* weights,
                                 std::uint8_t* into) noexcept {
  for (const ResamplePixel& pixel : pixels) {
    const std::uint8_t* from = row + pixel.first * kChannels;
    __m256i sums = _mm256_setr_epi32(kHalf, kHalf, kHalf, 0, 0, 0, 0, 0);
    for (std::size_t tap = 0; tap < pixel.count; tap += kResampleGroup) {
      sums =
          _mm256_add_epi32(sums, sum_four(from + tap * kChannels, weights + pixel.weights + tap));
    }
    const __m128i sum = _mm_srai_epi32(
        _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)),
        kResampleBits);
    const __m128i words = _mm_packs_epi32(sum, sum);
    const int rgb = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(into, &rgb, sizeof rgb);
    into += kChannels;
  }
}
// NOLINTEND(portability-simd-intrinsics)
#endif

[[gnu::always_inline]] inline void blend_block(const std::uint8_t* __restrict rows,
                                               std::size_t stride,
                                               const std::int32_t* weights,
                                               std::size_t taps,
                                               std::size_t bytes,
                                               std::uint8_t* __restrict into) noexcept {
  std::array<std::int32_t, kBlock> sums;
  sums.fill(kHalf);
  for (std::size_t tap = 0; tap < taps; ++tap) {
    for (std::size_t i = 0; i < bytes; ++i) {
      sums[i] += rows[tap * stride + i] * weights[tap];
    }
  }
  for (std::size_t i = 0; i < bytes; ++i) {
    into[i] = to_byte(sums[i]);
  }
}

[[gnu::always_inline]] inline void blend_any(const std::uint8_t* rows,
                                             std::size_t bytes,
                                             const std::int32_t* weights,
                                             std::size_t taps,
                                             std::uint8_t* into) noexcept {
  std::size_t done = 0;
  for (; done + kBlock <= bytes; done += kBlock) {
    blend_block(rows + done, bytes, weights, taps, kBlock, into + done);
  }
  blend_block(rows + done, bytes, weights, taps, bytes - done, into + done);
}

#if defined(HEADRACE_X86_LEVELS)
HEADRACE_AVX2 void blend_avx2(const std::uint8_t* rows,
                              std::size_t bytes,
                              const std::int32_t* weights,
                              std::size_t taps,
                              std::uint8_t* into) noexcept {
  blend_any(rows, bytes, weights, taps, into);
}

HEADRACE_AVX512 void blend_avx512(const std::uint8_t* rows,
                                  std::size_t bytes,
                                  const std::int32_t* weights,
                                  std::size_t taps,
                                  std::uint8_t* into) noexcept {
  blend_any(rows, bytes, weights, taps, into);
}
#endif

}  // namespace

void resample_row(const std::uint8_t* row,
                  std::span<const ResamplePixel> pixels,
                  const std::int32_t* weights,
                  std::uint8_t* into,
                  [[maybe_unused]] Level level) noexcept {
#if defined(HEADRACE_X86_LEVELS)
  if (level >= Level::avx2) {
    return resample_avx2(row, pixels, weights, into);
  }
#endif
  resample_scalar(row, pixels, weights, into);
}

void blend_rows(const std::uint8_t* rows,
                std::size_t bytes,
                const std::int32_t* weights,
                std::size_t taps,
                std::uint8_t* into,
                [[maybe_unused]] Level level) noexcept {
#if defined(HEADRACE_X86_LEVELS)
  if (level == Level::avx512) {
    return blend_avx512(rows, bytes, weights, taps, into);
  }
  if (level == Level::avx2) {
    return blend_avx2(rows, bytes, weights, taps, into);
  }
#endif
  blend_any(rows, bytes, weights, taps, into);
}

}  // namespace headrace::kernels
