// SPDX-License-Identifier: Apache-2.0
#include "kernels/convert.h"

#include "kernels/element.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#if defined(__x86_64__) && defined(__GNUC__)
#define HEADRACE_AVX2
#endif

namespace headrace::kernels {
namespace {

constexpr std::size_t kTypes = kAllDataTypes.size();
constexpr auto kPairs = std::make_index_sequence<kTypes * kTypes>{};

using ConvertRun = void (*)(const std::byte*, std::byte*, std::size_t) noexcept;
using RunTable = std::array<ConvertRun, kTypes * kTypes>;

constexpr bool is_small_float(DataType dtype) noexcept {
  return dtype == DataType::float16 || dtype == DataType::bfloat16 ||
         dtype == DataType::float8_e4m3 || dtype == DataType::float8_e5m2;
}

// The type through which a pair is converted, or `to` where there is a loop for the pair itself.
// Every value of `from` is exact in it, so one rounding remains; it spares a hundred loops.
constexpr DataType intermediate(DataType from, DataType to) noexcept {
  if (from == to || to == DataType::float32 || !(is_small_float(from) || is_small_float(to))) {
    return to;
  }
  switch (from) {
    case DataType::float32:
    case DataType::float64:
    case DataType::int64:
    case DataType::uint64:
    case DataType::uint8:  // Fits in float32, but is too common to go the long way.
      return to;
    case DataType::int32:
    case DataType::uint32:
      return DataType::float64;
    default:
      return DataType::float32;
  }
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
void convert_through(const std::byte* source, std::byte* target, std::size_t count) noexcept {
  constexpr DataType kVia = intermediate(From, To);
  constexpr std::size_t kBlock = 512;
  alignas(64) std::array<std::byte, kBlock * sizeof(typename Element<kVia>::Raw)> block;
  for (std::size_t done = 0; done < count; done += kBlock) {
    const std::size_t size = std::min(kBlock, count - done);
    convert(source + done * sizeof(typename Element<From>::Raw), From, block.data(), kVia, size);
    convert(block.data(), kVia, target + done * sizeof(typename Element<To>::Raw), To, size);
  }
}

template <DataType From, DataType To>
void convert_run(const std::byte* source, std::byte* target, std::size_t count) noexcept {
  if constexpr (From == To) {
    std::memcpy(target, source, count * sizeof(typename Element<From>::Raw));
  } else if constexpr (intermediate(From, To) != To) {
    convert_through<From, To>(source, target, count);
  } else {
    convert_loop<From, To>(source, target, count);
  }
}

template <std::size_t... Pair>
constexpr RunTable make_runs(std::index_sequence<Pair...>) noexcept {
  return {&convert_run<kAllDataTypes[Pair / kTypes], kAllDataTypes[Pair % kTypes]>...};
}

// Indexed by the values of the two types, which data_type.cpp checks to be 0, 1, 2, ...
constexpr RunTable kRuns = make_runs(kPairs);

#if defined(HEADRACE_AVX2)
template <DataType From, DataType To>
[[gnu::target("avx2")]] void convert_run_avx2(const std::byte* source,
                                              std::byte* target,
                                              std::size_t count) noexcept {
  convert_loop<From, To>(source, target, count);
}

// Only the small formats take enough arithmetic for wider vectors to matter.
template <DataType From, DataType To>
constexpr ConvertRun run_avx2() noexcept {
  if constexpr (From != To && intermediate(From, To) == To &&
                (is_small_float(From) || is_small_float(To))) {
    return &convert_run_avx2<From, To>;
  } else {
    return &convert_run<From, To>;
  }
}

template <std::size_t... Pair>
constexpr RunTable make_runs_avx2(std::index_sequence<Pair...>) noexcept {
  return {run_avx2<kAllDataTypes[Pair / kTypes], kAllDataTypes[Pair % kTypes]>()...};
}

constexpr RunTable kRunsAvx2 = make_runs_avx2(kPairs);

const RunTable& best_runs() noexcept {
  return __builtin_cpu_supports("avx2") ? kRunsAvx2 : kRuns;
}
#else
const RunTable& best_runs() noexcept {
  return kRuns;
}
#endif

ConvertRun run_of(const RunTable& runs, DataType from, DataType to) noexcept {
  const auto row = static_cast<std::size_t>(from);
  const auto column = static_cast<std::size_t>(to);
  assert(row < kTypes && column < kTypes);
  return runs[row * kTypes + column];
}

}  // namespace

void convert(const std::byte* source,
             DataType from,
             std::byte* target,
             DataType to,
             std::size_t count) noexcept {
  if (count != 0) {
    run_of(best_runs(), from, to)(source, target, count);
  }
}

void convert_baseline(const std::byte* source,
                      DataType from,
                      std::byte* target,
                      DataType to,
                      std::size_t count) noexcept {
  if (count != 0) {
    run_of(kRuns, from, to)(source, target, count);
  }
}

}  // namespace headrace::kernels
