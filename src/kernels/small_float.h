// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cstdint>
#include <limits>
#include <type_traits>

// Conversions between binary32/64 and the floating-point formats of 8 and 16 bits. They have no
// branches and no tables, so that loops over them become vector code, and they use no operation
// whose result differs between processors. They assume round-to-nearest, the default.

#if defined(__FAST_MATH__)
#error "Headrace's kernels need IEEE arithmetic; compile them without -ffast-math."
#endif
static_assert(FLT_EVAL_METHOD == 0, "float and double must not be evaluated with extra precision");

namespace headrace::kernels {

// One NaN a format, positive and quiet: what hardware keeps of a NaN's sign and payload differs.
inline constexpr std::int32_t kFloat32Nan = 0x7fc00000;
inline constexpr std::int64_t kFloat64Nan = 0x7ff8000000000000;

/// Facts of a small format. `kOverflow` is what is above the largest finite magnitude: infinity,
/// or NaN in the format that has no infinity.
struct Float16Format {
  using Bits = std::uint16_t;
  static constexpr int kFractionBits = 10;
  static constexpr int kBias = 15;
  static constexpr Bits kOverflow = 0x7c00;
  static constexpr Bits kNan = 0x7e00;
};
struct Bfloat16Format {
  using Bits = std::uint16_t;
  static constexpr int kFractionBits = 7;
  static constexpr int kBias = 127;
  static constexpr Bits kOverflow = 0x7f80;
  static constexpr Bits kNan = 0x7fc0;
};
struct Float8E4m3Format {
  using Bits = std::uint8_t;
  static constexpr int kFractionBits = 3;
  static constexpr int kBias = 7;
  static constexpr Bits kOverflow = 0x7f;
  static constexpr Bits kNan = 0x7f;
};
struct Float8E5m2Format {
  using Bits = std::uint8_t;
  static constexpr int kFractionBits = 2;
  static constexpr int kBias = 15;
  static constexpr Bits kOverflow = 0x7c;
  static constexpr Bits kNan = 0x7e;
};

/// Facts of binary32 and binary64. `Bits` is signed: baseline x86 compares no unsigned vectors.
template <class Wide>
struct WideFormat;
template <>
struct WideFormat<float> {
  using Bits = std::int32_t;
  static constexpr int kFractionBits = 23;
  static constexpr int kBias = 127;
};
template <>
struct WideFormat<double> {
  using Bits = std::int64_t;
  static constexpr int kFractionBits = 52;
  static constexpr int kBias = 1023;
};

/// 2^`exponent`, which must be the exponent of a normal number of type `Wide`.
template <class Wide>
constexpr Wide power_of_two(int exponent) noexcept {
  using Source = WideFormat<Wide>;
  using Bits = typename Source::Bits;
  return std::bit_cast<Wide>(
      static_cast<Bits>(Bits{exponent + Source::kBias} << Source::kFractionBits));
}

/// All ones where `a < b`, else zero, for numbers that are not negative.
///
/// Plain arithmetic rather than a comparison: given one, GCC moves the floating-point work below
/// into a branch and then cannot vectorise the loop.
template <class Bits>
constexpr Bits mask_if_less(Bits a, Bits b) noexcept {
  return static_cast<Bits>((a - b) >> (sizeof(Bits) * 8 - 1));
}

/// The bits of `yes` where `mask` is set, else those of `no`.
template <class Bits>
constexpr Bits select(Bits mask, Bits yes, Bits no) noexcept {
  return static_cast<Bits>((yes & mask) | (no & ~mask));
}

/// Encoding of `magnitude`, a positive number's bits, in a format with another exponent range.
template <class Format, class Wide, class Bits = typename WideFormat<Wide>::Bits>
constexpr Bits round_by_addition(Bits magnitude) noexcept {
  using Source = WideFormat<Wide>;
  constexpr int kDropped = Source::kFractionBits - Format::kFractionBits;
  // As bits: the format's smallest normal number, and a power of two above its largest number.
  constexpr Bits kSmallest = Bits{Source::kBias - Format::kBias + 1} << Source::kFractionBits;
  constexpr Bits kAbove =
      kSmallest + (Bits{Format::kOverflow >> Format::kFractionBits} << Source::kFractionBits);
  constexpr auto kExponent = std::bit_cast<Bits>(std::numeric_limits<Wide>::infinity());

  // Adding a power of two whose last bit is worth one step of the format at this magnitude makes
  // the processor round to whole steps, which are then read off as an integer.
  const Bits power = std::clamp(static_cast<Bits>(magnitude & kExponent), kSmallest, kAbove);
  const Bits aligner = power + (Bits{kDropped} << Source::kFractionBits);
  const Wide aligned = std::bit_cast<Wide>(magnitude) + std::bit_cast<Wide>(aligner);
  const Bits steps = std::bit_cast<Bits>(aligned) - aligner;
  return steps + ((power - kSmallest) >> kDropped);
}

/// The same for a format with the exponent range of `Wide`: its encodings are cut-off wide ones.
template <class Format, class Wide, class Bits = typename WideFormat<Wide>::Bits>
constexpr Bits round_by_carry(Bits magnitude) noexcept {
  using Unsigned = std::make_unsigned_t<Bits>;
  constexpr int kDropped = WideFormat<Wide>::kFractionBits - Format::kFractionBits;
  constexpr Unsigned kBelowHalf = (Unsigned{1} << (kDropped - 1)) - 1;
  const auto even = static_cast<Unsigned>(magnitude >> kDropped) & 1;
  return static_cast<Bits>((static_cast<Unsigned>(magnitude) + kBelowHalf + even) >> kDropped);
}

/// Rounds a float or double to a small format, once, to nearest with ties to even.
///
/// What rounds to more than the largest finite value becomes `Format::kOverflow` with the sign
/// kept; a NaN becomes `Format::kNan`.
template <class Format, class Wide>
constexpr typename Format::Bits round_to_small(Wide value) noexcept {
  using Bits = typename WideFormat<Wide>::Bits;
  using SmallBits = typename Format::Bits;
  constexpr Bits kMaximum = std::numeric_limits<Bits>::max();
  constexpr auto kInfinity = std::bit_cast<Bits>(std::numeric_limits<Wide>::infinity());
  constexpr bool kIsSameRange = Format::kBias == WideFormat<Wide>::kBias;

  const auto bits = std::bit_cast<Bits>(value);
  const auto magnitude = static_cast<Bits>(bits & kMaximum);
  const Bits sign = (bits & ~kMaximum) >> ((sizeof(Bits) - sizeof(SmallBits)) * 8);
  Bits code = 0;
  if constexpr (kIsSameRange) {
    code = round_by_carry<Format, Wide>(magnitude);
  } else {
    code = round_by_addition<Format, Wide>(magnitude);
  }
  code = std::min(code, Bits{Format::kOverflow}) | sign;
  return static_cast<SmallBits>(
      select(mask_if_less(kInfinity, magnitude), Bits{Format::kNan}, code));
}

/// The value of a small format's encoding: exact; a NaN becomes `kFloat32Nan`.
template <class Format>
constexpr float small_to_float(typename Format::Bits encoding) noexcept {
  using Wide = WideFormat<float>;
  constexpr int kBits = static_cast<int>(sizeof(encoding)) * 8;
  constexpr int kDropped = Wide::kFractionBits - Format::kFractionBits;
  constexpr std::int32_t kMaximum = (1 << (kBits - 1)) - 1;
  constexpr std::int32_t kRebias = (Wide::kBias - Format::kBias) << Wide::kFractionBits;
  constexpr bool kHasInfinity = Format::kOverflow != Format::kNan;
  constexpr std::int32_t kLargest = Format::kOverflow - 1;

  const std::int32_t code = encoding & kMaximum;
  std::int32_t wide = (code << kDropped) + kRebias;
  if constexpr (Format::kBias != Wide::kBias) {
    constexpr auto kStep = power_of_two<float>(1 - Format::kBias - Format::kFractionBits);
    const auto steps = std::bit_cast<std::int32_t>(static_cast<float>(code) * kStep);
    wide = select(mask_if_less(code, 1 << Format::kFractionBits), steps, wide);
    if constexpr (kHasInfinity) {
      constexpr auto kInfinity =
          std::bit_cast<std::int32_t>(std::numeric_limits<float>::infinity());
      wide = select(mask_if_less(kLargest, code), kInfinity, wide);
    }
  }
  const auto sign =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(encoding & ~kMaximum) << (32 - kBits));
  const auto is_nan = mask_if_less(kHasInfinity ? kLargest + 1 : kLargest, code);
  return std::bit_cast<float>(select(is_nan, kFloat32Nan, wide | sign));
}

}  // namespace headrace::kernels
