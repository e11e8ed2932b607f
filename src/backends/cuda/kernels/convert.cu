// SPDX-License-Identifier: Apache-2.0
// Conversion of elements of one type to every other, and expansion of samples of that type.
// Compiled once a type, HEADRACE_FROM. Every parameter has 64 bits.
#include "backends/cuda/geometry.h"
#include "backends/cuda/kernels/device_element.cuh"
#include "backends/cuda/kernels/element_io.cuh"

namespace headrace::cuda {

/// Converts `pieces` pieces of elements from `head` on, each 16 bytes of the wider type and at a
/// multiple of its size in both; and what is before and behind them, one element at a time.
template <DataType From, DataType To>
__device__ void convert(
    const Raw<From>* source, Raw<To>* target, Count count, Count head, Count pieces) {
  constexpr int kPiece =
      kPieceBytes / (sizeof(Raw<From>) > sizeof(Raw<To>) ? sizeof(Raw<From>) : sizeof(Raw<To>));
  using FromPiece = Piece<Raw<From>, kPiece>;
  using ToPiece = Piece<Raw<To>, kPiece>;
  const auto* from = reinterpret_cast<const FromPiece*>(source + head);
  auto* to = reinterpret_cast<ToPiece*>(target + head);
  const Count first = static_cast<Count>(blockIdx.x) * blockDim.x * kPiecesAThread + threadIdx.x;
  FromPiece in[kPiecesAThread];
#pragma unroll
  for (int k = 0; k < kPiecesAThread; ++k) {
    const Count i = first + static_cast<Count>(k) * blockDim.x;
    if (i < pieces) {
      in[k] = from[i];
    }
  }
#pragma unroll
  for (int k = 0; k < kPiecesAThread; ++k) {
    const Count i = first + static_cast<Count>(k) * blockDim.x;
    if (i < pieces) {
      ToPiece out;
#pragma unroll
      for (int j = 0; j < kPiece; j += 2) {
        convert_pair<From, To>(&in[k].elements[j], &out.elements[j]);
      }
      to[i] = out;
    }
  }
  const Count rest = count - pieces * kPiece;  // All, where nothing is aligned.
  for (Count i = thread_index(); i < rest; i += thread_count()) {
    const Count place = i < head ? i : i + pieces * kPiece;
    store(target + place, convert_element<From, To>(load(source + place)));
  }
}

/// One element of an expansion: `x * scale + bias` in float32, neither contracted nor flushed, or
/// with no scale the conversion.
template <DataType From, DataType To>
__device__ Raw<To> expanded(Raw<From> raw, const float* scale, const float* bias, Count channel) {
  if (scale == nullptr) {
    return convert_element<From, To>(raw);
  }
  const float value = DeviceElement<DataType::float32>::store(DeviceElement<From>::load(raw));
  return DeviceElement<To>::store(normalised(value, scale[channel], bias[channel]));
}

struct Expansion {
  const void* source;
  void* target;
  Count samples;
  Count pixels;
  Count channels;
  const float* scale;
  const float* bias;
  Count is_planar;
};

/// Expands samples of pixels of channels, one element of the target at a time.
template <DataType From, DataType To>
__device__ void expand(const Expansion& work) {
  const Count count = work.samples * work.pixels * work.channels;
  for (Count i = thread_index(); i < count; i += thread_count()) {
    Count place = i;
    Count channel = i % work.channels;
    if (work.is_planar != 0) {
      const Count plane = i / work.pixels;
      const Count sample = plane / work.channels;
      channel = plane - sample * work.channels;
      place = (sample * work.pixels + (i - plane * work.pixels)) * work.channels + channel;
    }
    const auto raw = load(static_cast<const Raw<From>*>(work.source) + place);
    store(static_cast<Raw<To>*>(work.target) + i,
          expanded<From, To>(raw, work.scale, work.bias, channel));
  }
}

}  // namespace headrace::cuda

using headrace::DataType;
using headrace::cuda::Count;

#define HEADRACE_CONVERT(to)                                                             \
  extern "C" __global__ void __launch_bounds__(headrace::cuda::kThreads)                 \
      to_##to(const void* source, void* target, Count count, Count head, Count pieces) { \
    headrace::cuda::convert<DataType::HEADRACE_FROM, DataType::to>(                      \
        static_cast<const headrace::cuda::Raw<DataType::HEADRACE_FROM>*>(source),        \
        static_cast<headrace::cuda::Raw<DataType::to>*>(target),                         \
        count,                                                                           \
        head,                                                                            \
        pieces);                                                                         \
  }
HEADRACE_CONVERT(float32)
HEADRACE_CONVERT(int32)
HEADRACE_CONVERT(float16)
HEADRACE_CONVERT(int8)
HEADRACE_CONVERT(bfloat16)
HEADRACE_CONVERT(float64)
HEADRACE_CONVERT(int64)
HEADRACE_CONVERT(int16)
HEADRACE_CONVERT(uint8)
HEADRACE_CONVERT(uint16)
HEADRACE_CONVERT(uint32)
HEADRACE_CONVERT(uint64)
HEADRACE_CONVERT(boolean)
HEADRACE_CONVERT(float8_e4m3)
HEADRACE_CONVERT(float8_e5m2)

#define HEADRACE_EXPAND(to)                                                   \
  case DataType::to:                                                          \
    headrace::cuda::expand<DataType::HEADRACE_FROM, DataType::to>(expansion); \
    break;

extern "C" __global__ void __launch_bounds__(headrace::cuda::kThreads) expand(const void* source,
                                                                              void* target,
                                                                              Count samples,
                                                                              Count pixels,
                                                                              Count channels,
                                                                              const float* scale,
                                                                              const float* bias,
                                                                              Count to,
                                                                              Count is_planar) {
  const headrace::cuda::Expansion expansion{
      source, target, samples, pixels, channels, scale, bias, is_planar};
  switch (static_cast<DataType>(to)) {
    HEADRACE_EXPAND(float32)
    HEADRACE_EXPAND(int32)
    HEADRACE_EXPAND(float16)
    HEADRACE_EXPAND(int8)
    HEADRACE_EXPAND(bfloat16)
    HEADRACE_EXPAND(float64)
    HEADRACE_EXPAND(int64)
    HEADRACE_EXPAND(int16)
    HEADRACE_EXPAND(uint8)
    HEADRACE_EXPAND(uint16)
    HEADRACE_EXPAND(uint32)
    HEADRACE_EXPAND(uint64)
    HEADRACE_EXPAND(boolean)
    HEADRACE_EXPAND(float8_e4m3)
    HEADRACE_EXPAND(float8_e5m2)
  }
}
