// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "kernels/level.h"
#include "kernels/small_float.h"

#if defined(HEADRACE_X86_LEVELS)
#include <cstddef>
#include <immintrin.h>

// To float16 and back, and from 8-bit floats, with the processor's own instructions. They round as
// small_float.h does but keep a NaN's sign and payload, so that NaNs are replaced on the float32
// side.
//
// The loops do as many whole groups of eight as there are in `count` and return how many elements
// those are.

namespace headrace::kernels {

inline constexpr std::size_t kF16cGroup = 8;

constexpr bool is_float8(DataType dtype) noexcept {
  return dtype == DataType::float8_e4m3 || dtype == DataType::float8_e5m2;
}

HEADRACE_AVX2 inline __m256 with_one_nan(__m256 values) noexcept {
  const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(kFloat32Nan));
  return _mm256_blendv_ps(values, nan, _mm256_cmp_ps(values, values, _CMP_UNORD_Q));
}

HEADRACE_AVX2 inline void store_as_float16(__m256 values, std::byte* target) noexcept {
  const __m128i halves =
      _mm256_cvtps_ph(with_one_nan(values), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(target), halves);
}

/// Eight 8-bit floats, by way of float16. float8_e5m2 is the upper half of one. The exponent and
/// fraction of float8_e4m3, at their places in one, give a number that is 2^8 too small, as the
/// bias is 7 and not 15; that holds for subnormals too.
template <DataType From>
HEADRACE_AVX2 inline __m256 load_float8(const std::byte* source) noexcept {
  const __m128i codes =
      _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(source)));
  if constexpr (From == DataType::float8_e5m2) {
    return with_one_nan(_mm256_cvtph_ps(_mm_slli_epi16(codes, 8)));
  }
  // Sign at bit 15, magnitude from bit 7 on; all ones are the NaN.
  const __m128i magnitude = codes & _mm_set1_epi16(0x7f);
  const __m128i sign = _mm_slli_epi16(codes & _mm_set1_epi16(0x80), 8);
  const __m128i nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7f));
  const __m256 small = _mm256_cvtph_ps(_mm_slli_epi16(magnitude, 7) | sign | nan);
  return with_one_nan(small * _mm256_set1_ps(256.0F));
}

/// One of the pairs that gain by it; for every other returns 0.
template <DataType From, DataType To>
HEADRACE_AVX2 inline std::size_t convert_f16c([[maybe_unused]] const std::byte* source,
                                              [[maybe_unused]] std::byte* target,
                                              [[maybe_unused]] std::size_t count) noexcept {
  const std::size_t end = count - count % kF16cGroup;
  if constexpr (From == DataType::float32 && To == DataType::float16) {
    for (std::size_t i = 0; i < end; i += kF16cGroup) {
      store_as_float16(_mm256_loadu_ps(reinterpret_cast<const float*>(source + i * 4)),
                       target + i * 2);
    }
  } else if constexpr (From == DataType::uint8 && To == DataType::float16) {
    for (std::size_t i = 0; i < end; i += kF16cGroup) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(source + i));
      store_as_float16(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), target + i * 2);
    }
  } else if constexpr (From == DataType::float16 && To == DataType::float32) {
    for (std::size_t i = 0; i < end; i += kF16cGroup) {
      const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i * 2));
      _mm256_storeu_ps(reinterpret_cast<float*>(target + i * 4),
                       with_one_nan(_mm256_cvtph_ps(halves)));
    }
  } else if constexpr (is_float8(From) && To == DataType::float32) {
    for (std::size_t i = 0; i < end; i += kF16cGroup) {
      _mm256_storeu_ps(reinterpret_cast<float*>(target + i * 4), load_float8<From>(source + i));
    }
  } else {
    return 0;
  }
  return end;
}

HEADRACE_AVX2 inline __m256 coefficients_at(float one_for_all, std::size_t) noexcept {
  return _mm256_set1_ps(one_for_all);
}
HEADRACE_AVX2 inline __m256 coefficients_at(const float* one_for_each, std::size_t at) noexcept {
  return _mm256_loadu_ps(one_for_each + at);
}

/// Each value times its scale, rounded, plus its bias, rounded.
template <class Coefficient>
HEADRACE_AVX2 inline std::size_t normalise_to_float16(const float* values,
                                                      Coefficient scale,
                                                      Coefficient bias,
                                                      std::byte* target,
                                                      std::size_t count) noexcept {
  const std::size_t end = count - count % kF16cGroup;
  for (std::size_t i = 0; i < end; i += kF16cGroup) {
    const __m256 products = _mm256_loadu_ps(values + i) * coefficients_at(scale, i);
    store_as_float16(products + coefficients_at(bias, i), target + i * 2);
  }
  return end;
}

}  // namespace headrace::kernels
#endif
