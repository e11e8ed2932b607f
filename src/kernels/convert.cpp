// SPDX-License-Identifier: Apache-2.0
#include "kernels/convert.h"

#include "kernels/element.h"
#include "kernels/f16c.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

namespace headrace::kernels {
namespace {

constexpr std::size_t kTypes = kAllDataTypes.size();

using ConvertRun = void (*)(const std::byte*, std::byte*, std::size_t) noexcept;
using ConvertPair = void (*)(const std::byte*, std::byte*, std::size_t, Level) noexcept;
using PairTable = std::array<ConvertPair, kTypes * kTypes>;

template <DataType Type>
constexpr std::size_t kSize = sizeof(typename Element<Type>::Raw);

constexpr bool is_small_float(DataType dtype) noexcept {
  return dtype == DataType::float16 || dtype == DataType::bfloat16 ||
         dtype == DataType::float8_e4m3 || dtype == DataType::float8_e5m2;
}

// Types that are read or written with more work than a loop should do at both ends.
constexpr bool is_slow(DataType dtype) noexcept {
  return is_small_float(dtype) && dtype != DataType::bfloat16;
}

// The type through which a pair is converted, or `to` where there is a loop for the pair itself.
// Every value of `from` is exact in it, so one rounding remains. It spares a hundred loops, and
// those with instructions for float16 serve most of its pairs.
template <DataType From, DataType To>
constexpr DataType intermediate() noexcept {
  if (From == DataType::uint8 && To == DataType::float16) {
    return To;  // What images become: worth a loop of its own.
  }
  if (From == DataType::bfloat16 && To == DataType::float64) {
    return DataType::float32;  // GCC 12 makes no vector code of the direct loop.
  }
  constexpr bool kFitsFloat32 = is_small_float(From) || kSize<From> <= 2;
  const bool is_detour = kFitsFloat32 && (is_slow(From) || is_slow(To));
  return is_detour && From != DataType::boolean && From != To ? DataType::float32 : To;
}

// Inlined into functions compiled for different processors.
template <DataType From, DataType To>
[[gnu::always_inline]] inline void convert_loop(const std::byte* __restrict source,
                                                std::byte* __restrict target,
                                                std::size_t count) noexcept {
  using Source = typename Element<From>::Raw;
  using Target = typename Element<To>::Raw;
  for (std::size_t i = 0; i < count; ++i) {
    Source raw;
    std::memcpy(&raw, source + i * sizeof(Source), sizeof(Source));
    const Target converted = convert_element<From, To>(raw);
    std::memcpy(target + i * sizeof(Target), &converted, sizeof(Target));
  }
}

template <DataType From, DataType To>
void convert_through(const std::byte* source,
                     std::byte* target,
                     std::size_t count,
                     Level level) noexcept {
  constexpr DataType kVia = intermediate<From, To>();
  constexpr std::size_t kBlock = 512;
  alignas(64) std::array<std::byte, kBlock * kSize<kVia>> block;
  for (std::size_t done = 0; done < count; done += kBlock) {
    const std::size_t size = std::min(kBlock, count - done);
    const std::byte* from = source + done * kSize<From>;
    convert(from, From, block.data(), kVia, size, level);
    convert(block.data(), kVia, target + done * kSize<To>, To, size, level);
  }
}

template <DataType From, DataType To>
void run_baseline(const std::byte* source, std::byte* target, std::size_t count) noexcept {
  convert_loop<From, To>(source, target, count);
}

#if defined(HEADRACE_X86_LEVELS)
template <DataType From, DataType To>
HEADRACE_AVX2 void run_avx2(const std::byte* source,
                            std::byte* target,
                            std::size_t count) noexcept {
  const std::size_t done = convert_f16c<From, To>(source, target, count);
  convert_loop<From, To>(source + done * kSize<From>, target + done * kSize<To>, count - done);
}

template <DataType From, DataType To>
HEADRACE_AVX512 void run_avx512(const std::byte* source,
                                std::byte* target,
                                std::size_t count) noexcept {
  const std::size_t done = convert_f16c<From, To>(source, target, count);
  convert_loop<From, To>(source + done * kSize<From>, target + done * kSize<To>, count - done);
}

template <DataType From, DataType To>
constexpr std::array<ConvertRun, kAllLevels.size()> kRuns{
    &run_baseline<From, To>, &run_avx2<From, To>, &run_avx512<From, To>};
#else
template <DataType From, DataType To>
constexpr std::array<ConvertRun, 1> kRuns{&run_baseline<From, To>};
#endif

template <DataType From, DataType To>
void convert_pair(const std::byte* source,
                  std::byte* target,
                  std::size_t count,
                  Level level) noexcept {
  if constexpr (From == To) {
    std::memcpy(target, source, count * kSize<From>);
  } else if constexpr (intermediate<From, To>() != To) {
    convert_through<From, To>(source, target, count, level);
  } else {
    kRuns<From, To>[static_cast<std::size_t>(level)](source, target, count);
  }
}

template <std::size_t... Pair>
constexpr PairTable make_pairs(std::index_sequence<Pair...>) noexcept {
  return {&convert_pair<kAllDataTypes[Pair / kTypes], kAllDataTypes[Pair % kTypes]>...};
}

// Indexed by the values of the two types, which data_type.cpp checks to be 0, 1, 2, ...
constexpr PairTable kPairs = make_pairs(std::make_index_sequence<kTypes * kTypes>{});

}  // namespace

void convert(const std::byte* source,
             DataType from,
             std::byte* target,
             DataType to,
             std::size_t count,
             Level level) noexcept {
  const auto row = static_cast<std::size_t>(from);
  const auto column = static_cast<std::size_t>(to);
  assert(row < kTypes && column < kTypes && level <= best_level());
  if (count != 0) {
    kPairs[row * kTypes + column](source, target, count, level);
  }
}

}  // namespace headrace::kernels
