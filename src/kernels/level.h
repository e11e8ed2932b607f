// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

// The instruction sets that loops are compiled for. A loop is written once, as a function that is
// always inlined, and inlined into one function for each set, marked with these attributes. So no
// function that others share holds instructions that only some processors have.
#if defined(__x86_64__) && defined(__GNUC__)
#define HEADRACE_X86_LEVELS
#define HEADRACE_AVX2 [[gnu::target("avx2,f16c")]]
#define HEADRACE_AVX512 [[gnu::target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl")]]
#endif

namespace headrace::kernels {

/// A set of instructions, each with all of the ones before it. Results never depend on it.
enum class Level : std::uint8_t {
  baseline,  ///< What every processor of the architecture executes.
  avx2,      ///< With F16C.
  avx512,    ///< F, BW, DQ and VL.
};

inline constexpr std::array kAllLevels{Level::baseline, Level::avx2, Level::avx512};

/// The highest level that this processor executes. Threads: safe from any thread.
inline Level best_level() noexcept {
#if defined(HEADRACE_X86_LEVELS)
  static const Level best = [] {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("f16c")) {
      return Level::baseline;
    }
    const bool has_avx512 =
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return has_avx512 ? Level::avx512 : Level::avx2;
  }();
  return best;
#else
  return Level::baseline;
#endif
}

/// The levels that this processor executes, the lowest first.
inline std::span<const Level> levels() noexcept {
  return std::span(kAllLevels).first(static_cast<std::size_t>(best_level()) + 1);
}

}  // namespace headrace::kernels
