// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "kernels/element.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <concepts>
#include <cstdint>
#include <type_traits>

// The conversion of one element by the device's own instructions. It gives the bits that
// `kernels::convert_element` gives: the instructions round as it does, what they make of NaNs and
// of numbers out of range is put right here, and what they cannot do is left to it.

namespace headrace::cuda {

/// To integers: the device's instruction truncates and saturates, but keeps no rule for NaN.
template <std::integral Integer, std::floating_point Real>
__device__ Integer truncate(Real value) {
  if constexpr (sizeof(Integer) == 8) {
    return kernels::truncate<Integer>(value);
  } else if constexpr (std::is_same_v<Integer, std::uint32_t>) {
    const unsigned whole =
        sizeof(Real) == 4 ? __float2uint_rz(static_cast<float>(value)) : __double2uint_rz(value);
    return value == value ? whole : 0;
  } else {
    int whole =
        sizeof(Real) == 4 ? __float2int_rz(static_cast<float>(value)) : __double2int_rz(value);
    whole = value == value ? whole : 0;
    return kernels::saturate<Integer>(static_cast<std::int32_t>(whole));
  }
}

/// What a value to round may be, beyond a number that every format holds.
enum class Range {
  small_numbers,  ///< Integers of eight bits.
  numbers,        ///< Integers, which may be out of range.
  any,            ///< Also infinities and NaNs.
};

template <class Value>
inline constexpr Range kRangeOf = std::floating_point<Value> ? Range::any
                                  : sizeof(Value) == 1       ? Range::small_numbers
                                                             : Range::numbers;

/// Puts a NaN right: `bits` are what the device rounded `value` to.
template <class Format, Range Of>
__device__ typename Format::Bits with_our_nan(typename Format::Bits bits, float value) {
  return Of != Range::any || value == value ? bits : Format::kNan;
}

#if __CUDA_ARCH__ >= 890
/// Two values to a format of eight bits, in one instruction. It saturates: what is beyond the
/// format's range is put right.
template <class Format, Range Of>
__device__ std::uint16_t to_float8_pair(float low, float high) {
  constexpr bool kIsE4m3 = std::is_same_v<Format, kernels::Float8E4m3Format>;
  const std::uint16_t pair = __nv_cvt_float2_to_fp8x2(
      make_float2(low, high), __NV_SATFINITE, kIsE4m3 ? __NV_E4M3 : __NV_E5M2);
  if constexpr (Of == Range::small_numbers) {
    return pair;
  }
  const auto put_right = [](std::uint8_t bits, float value) -> std::uint8_t {
    // 464 rounds to 448, which is even; 61440 away from 57344, which is odd.
    const bool is_beyond = kIsE4m3 ? fabsf(value) > 464.0F : fabsf(value) >= 61440.0F;
    const std::uint8_t number = is_beyond ? (bits & 0x80) | Format::kOverflow : bits;
    return with_our_nan<Format, Of>(number, value);
  };
  return static_cast<std::uint16_t>(put_right(pair & 0xff, low) | put_right(pair >> 8, high) << 8);
}
#endif

/// Rounds to a small format as `kernels::round_to_small` does.
template <class Format, Range Of>
__device__ typename Format::Bits round_to_small(float value) {
  if constexpr (std::is_same_v<Format, kernels::Float16Format>) {
    return with_our_nan<Format, Of>(__half_as_ushort(__float2half_rn(value)), value);
#if __CUDA_ARCH__ >= 800
  } else if constexpr (std::is_same_v<Format, kernels::Bfloat16Format>) {
    return with_our_nan<Format, Of>(__bfloat16_as_ushort(__float2bfloat16_rn(value)), value);
#endif
#if __CUDA_ARCH__ >= 890
  } else if constexpr (sizeof(typename Format::Bits) == 1) {
    return static_cast<std::uint8_t>(to_float8_pair<Format, Of>(value, 0));
#endif
  } else {
    return kernels::round_to_small<Format>(value);
  }
}

/// A float with more bits than bfloat16 needs, its last one set if any was lost: rounding it again
/// gives what rounding `value` once gives.
template <std::integral Integer>
__device__ float to_float_round_to_odd(Integer value) {
  float result = 0;
  if constexpr (std::is_same_v<Integer, std::int32_t>) {
    result = __int2float_rz(value);
  } else if constexpr (std::is_same_v<Integer, std::uint32_t>) {
    result = __uint2float_rz(value);
  } else if constexpr (std::is_same_v<Integer, std::int64_t>) {
    result = __ll2float_rz(value);
  } else {
    result = __ull2float_rz(value);
  }
  const bool is_exact = static_cast<Integer>(result) == value;
  return __int_as_float(__float_as_int(result) | (is_exact ? 0 : 1));
}

template <DataType Type>
struct DeviceElement : kernels::Element<Type> {
  template <class Value>
  static __device__ auto store(Value value) {
    using Base = kernels::Element<Type>;
    using Raw = typename Base::Raw;
    if constexpr (std::integral<Raw> && std::floating_point<Value> &&
                  std::is_base_of_v<kernels::NumberElement<Raw>, Base>) {
      return cuda::truncate<Raw>(value);
    } else {
      return Base::store(value);
    }
  }
};

/// Stores by way of float32 what float32 holds, or enough of it.
template <class Format>
struct DeviceSmallFloat {
  using Raw = typename Format::Bits;

  template <class Value>
  static __device__ Raw store(Value value) {
    if constexpr (std::is_same_v<Value, double>) {
      return kernels::round_to_small<Format>(value);
    } else {
      return round_to_small<Format, kRangeOf<Value>>(as_float(value));
    }
  }

  /// A float32 that rounds to what `value`, which is no double, rounds to.
  template <class Value>
  static __device__ float as_float(Value value) {
    if constexpr (std::is_same_v<Value, float> || sizeof(Value) <= 2) {
      return static_cast<float>(value);
    } else if constexpr (Format::kBias < kernels::WideFormat<float>::kBias) {
      return static_cast<float>(kernels::clamp_magnitude<17>(value));
    } else {
      return to_float_round_to_odd(value);
    }
  }
};

// A NaN keeps its bits when it is read: every `store` makes it ours.
template <>
struct DeviceElement<DataType::float16> : DeviceSmallFloat<kernels::Float16Format> {
  static __device__ float load(Raw raw) { return __half2float(__ushort_as_half(raw)); }
};
template <>
struct DeviceElement<DataType::bfloat16> : DeviceSmallFloat<kernels::Bfloat16Format> {
  static __device__ float load(Raw raw) {
    return __uint_as_float(static_cast<std::uint32_t>(raw) << 16);
  }
};
template <>
struct DeviceElement<DataType::float8_e5m2> : DeviceSmallFloat<kernels::Float8E5m2Format> {
  /// The upper half of a float16.
  static __device__ float load(Raw raw) {
    return __half2float(__ushort_as_half(static_cast<std::uint16_t>(raw << 8)));
  }
};
template <>
struct DeviceElement<DataType::float8_e4m3> : DeviceSmallFloat<kernels::Float8E4m3Format> {
  /// A float32 with the exponent's bias moved by a product, which is exact.
  static __device__ float load(Raw raw) {
    const std::uint32_t bits = (static_cast<std::uint32_t>(raw & 0x7f) << 20) |
                               (static_cast<std::uint32_t>(raw & 0x80) << 24);
    const float number = __uint_as_float(bits) * 0x1p120F;
    return (raw & 0x7f) == kernels::Float8E4m3Format::kNan ? __int_as_float(kernels::kFloat32Nan)
                                                           : number;
  }
};

/// Converts one stored element; the same type gives the same bits.
template <DataType From, DataType To>
__device__ typename DeviceElement<To>::Raw convert_element(typename DeviceElement<From>::Raw raw) {
  if constexpr (From == To || From == DataType::boolean) {
    return kernels::convert_element<From, To>(raw);
  } else {
    return DeviceElement<To>::store(DeviceElement<From>::load(raw));
  }
}

#if __CUDA_ARCH__ >= 890
/// Two elements of float8_e4m3, in one instruction. It keeps NaNs.
__device__ inline float2 load_float8_e4m3_pair(std::uint8_t low, std::uint8_t high) {
  const auto pair = static_cast<__nv_fp8x2_storage_t>(low | high << 8);
  return __half22float2(__half2(__nv_cvt_fp8x2_to_halfraw2(pair, __NV_E4M3)));
}
#endif

/// Converts two elements, with instructions that take two where there are.
template <DataType From, DataType To>
__device__ void convert_pair(const typename DeviceElement<From>::Raw* in,
                             typename DeviceElement<To>::Raw* out) {
#if __CUDA_ARCH__ >= 890
  using Value = decltype(DeviceElement<From>::load(in[0]));
  constexpr bool kIsFromE4m3 = From == DataType::float8_e4m3;
  constexpr bool kIsToE4m3 = To == DataType::float8_e4m3;
  constexpr bool kIsToFloat8 = kIsToE4m3 || To == DataType::float8_e5m2;
  constexpr bool kIsPlain =
      From == To || From == DataType::boolean || std::is_same_v<Value, double>;
  if constexpr (!kIsPlain && (kIsFromE4m3 || kIsToFloat8)) {
    Value low{};
    Value high{};
    if constexpr (kIsFromE4m3) {
      const float2 pair = load_float8_e4m3_pair(in[0], in[1]);
      low = pair.x;
      high = pair.y;
    } else {
      low = DeviceElement<From>::load(in[0]);
      high = DeviceElement<From>::load(in[1]);
    }
    if constexpr (kIsToFloat8) {
      using Format =
          std::conditional_t<kIsToE4m3, kernels::Float8E4m3Format, kernels::Float8E5m2Format>;
      const std::uint16_t pair = to_float8_pair<Format, kRangeOf<Value>>(
          DeviceElement<To>::as_float(low), DeviceElement<To>::as_float(high));
      out[0] = static_cast<std::uint8_t>(pair);
      out[1] = static_cast<std::uint8_t>(pair >> 8);
    } else {
      out[0] = DeviceElement<To>::store(low);
      out[1] = DeviceElement<To>::store(high);
    }
    return;
  }
#endif
  out[0] = convert_element<From, To>(in[0]);
  out[1] = convert_element<From, To>(in[1]);
}

}  // namespace headrace::cuda
