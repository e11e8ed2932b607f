// SPDX-License-Identifier: Apache-2.0
// Expansion of interleaved uint8 samples to normalised floating point, the way that images take to
// a device. Coefficients are finite, so that no NaN can come up. Every parameter has 64 bits.
#include "backends/cuda/geometry.h"
#include "backends/cuda/kernels/device_element.cuh"
#include "backends/cuda/kernels/element_io.cuh"

namespace headrace::cuda {

template <DataType To>
inline constexpr int kPiece = kPieceBytes / static_cast<int>(sizeof(Raw<To>));
template <DataType To>
using TargetPiece = Piece<Raw<To>, kPiece<To>>;

template <DataType To>
__device__ Raw<To> expanded(unsigned char byte, float scale, float bias) {
  return DeviceElement<To>::store(__fadd_rn(__fmul_rn(static_cast<float>(byte), scale), bias));
}

// ---- Interleaved to interleaved.

/// Coefficients of the channels, and again of the first ones, so that a piece that begins at any
/// channel reads on from there.
template <DataType To>
struct ChannelTable {
  float2 entries[kMostFastChannels + kPiece<To>];

  __device__ void fill(const float* scale, const float* bias, int channels) {
    for (int i = static_cast<int>(threadIdx.x); i < channels + kPiece<To>; i += kThreads) {
      entries[i] = make_float2(scale[i % channels], bias[i % channels]);
    }
    __syncthreads();
  }
};

/// Expands one piece whose first element is of `channel`. Of few channels, kFew, each one's
/// coefficients are read once; 0 stands for any number.
template <DataType To, int kFew>
__device__ TargetPiece<To> expanded_piece(const Piece<unsigned char, kPiece<To>>& in,
                                          const ChannelTable<To>& table,
                                          int channel) {
  constexpr int kRead = kFew == 0 ? kPiece<To> : kFew;
  float2 entries[kRead];
#pragma unroll
  for (int j = 0; j < kRead; ++j) {
    entries[j] = table.entries[channel + j];
  }
  TargetPiece<To> out;
#pragma unroll
  for (int j = 0; j < kPiece<To>; ++j) {
    out.elements[j] = expanded<To>(in.elements[j], entries[j % kRead].x, entries[j % kRead].y);
  }
  return out;
}

/// Where an interleaved expansion reads and writes.
template <DataType To>
struct Interleaved {
  const unsigned char* source;
  Raw<To>* target;
  Count count;
  Count head;
  Count pieces;
  Count channels;
};

/// Expands the pieces of a block, which lie at aligned places of source and target.
template <DataType To, int kFew>
__device__ void expand_pieces(const Interleaved<To>& work,
                              const float* scale,
                              const float* bias,
                              ChannelTable<To>& table) {
  using SourcePiece = Piece<unsigned char, kPiece<To>>;
  const auto* from = reinterpret_cast<const SourcePiece*>(work.source + work.head);
  auto* to = reinterpret_cast<TargetPiece<To>*>(work.target + work.head);
  const int channels = kFew == 0 ? static_cast<int>(work.channels) : kFew;
  const Count first =
      static_cast<Count>(blockIdx.x) * kThreads * kInterleavedPiecesAThread + threadIdx.x;
  SourcePiece in[kInterleavedPiecesAThread];
#pragma unroll
  for (int k = 0; k < kInterleavedPiecesAThread; ++k) {
    if (first + k * kThreads < work.pieces) {
      in[k] = from[first + k * kThreads];
    }
  }
  table.fill(scale, bias, channels);
  const auto channel =
      static_cast<unsigned>((work.head + first * kPiece<To>) % static_cast<unsigned>(channels));
#pragma unroll
  for (int k = 0; k < kInterleavedPiecesAThread; ++k) {
    if (first + k * kThreads < work.pieces) {
      const unsigned ahead = k * kThreads * kPiece<To>;
      to[first + k * kThreads] = expanded_piece<To, kFew>(
          in[k], table, static_cast<int>((channel + ahead) % static_cast<unsigned>(channels)));
    }
  }
}

/// Expands all pieces, and the other elements one at a time.
template <DataType To>
__device__ void expand_interleaved(const Interleaved<To>& work,
                                   const float* scale,
                                   const float* bias) {
  __shared__ ChannelTable<To> table;
  if (work.channels == 1) {
    expand_pieces<To, 1>(work, scale, bias, table);
  } else if (work.channels == 3) {
    expand_pieces<To, 3>(work, scale, bias, table);
  } else {
    expand_pieces<To, 0>(work, scale, bias, table);
  }
  const Count rest = work.count - work.pieces * kPiece<To>;  // All, where nothing is aligned.
  for (Count i = thread_index(); i < rest; i += thread_count()) {
    const Count at = i < work.head ? i : i + work.pieces * kPiece<To>;
    const float2 entry = table.entries[at % work.channels];
    store(work.target + at, expanded<To>(work.source[at], entry.x, entry.y));
  }
}

// ---- Three channels to planes, everything aligned.

/// A thread takes the pixels of one piece of each plane.
template <DataType To>
__device__ void expand_three_planes(const unsigned char* source,
                                    Raw<To>* target,
                                    Count samples,
                                    Count pixels,
                                    const float* scale,
                                    const float* bias) {
  constexpr int kChannels = 3;
  const auto units = static_cast<unsigned>(pixels / kPiece<To>);  // of one plane
  const auto unit = static_cast<unsigned>(thread_index());
  const unsigned sample = unit / units;
  if (sample >= samples) {
    return;
  }
  Piece<unsigned char, kPiece<To>> in[kChannels];
#pragma unroll
  for (int k = 0; k < kChannels; ++k) {
    in[k] = reinterpret_cast<const Piece<unsigned char, kPiece<To>>*>(
        source)[static_cast<Count>(unit) * kChannels + k];
  }
  auto* planes = reinterpret_cast<TargetPiece<To>*>(target) +
                 static_cast<Count>(sample) * kChannels * units + (unit - sample * units);
#pragma unroll
  for (int channel = 0; channel < kChannels; ++channel) {
    TargetPiece<To> out;
#pragma unroll
    for (int j = 0; j < kPiece<To>; ++j) {
      const int at = j * kChannels + channel;
      out.elements[j] = expanded<To>(
          in[at / kPiece<To>].elements[at % kPiece<To>], scale[channel], bias[channel]);
    }
    planes[static_cast<Count>(channel) * units] = out;
  }
}

// ---- Any number of channels to planes, at any place: by way of shared memory.

/// Brings `bytes` bytes to shared memory, where they lie as far from a multiple of 16 as in the
/// source. \returns That distance.
__device__ inline int stage(const unsigned char* source, int bytes, unsigned char* staged) {
  const auto address = reinterpret_cast<std::uintptr_t>(source);
  const int skew = static_cast<int>(address % kPieceBytes);
  const unsigned char* aligned = source - skew;
  for (int at = static_cast<int>(threadIdx.x) * kPieceBytes; at < skew + bytes;
       at += kTileThreads * kPieceBytes) {
    if (at >= skew && at + kPieceBytes <= skew + bytes) {
      *reinterpret_cast<uint4*>(staged + at) = *reinterpret_cast<const uint4*>(aligned + at);
    } else {
      for (int i = max(at, skew); i < min(at + kPieceBytes, skew + bytes); ++i) {
        staged[i] = aligned[i];
      }
    }
  }
  __syncthreads();
  return skew;
}

/// Writes pixels `first` to `first` + one piece of a plane, as far as there are any. `staged` is
/// where the channel's byte of pixel `first` is, or would be.
template <DataType To>
__device__ void write_piece(const unsigned char* staged,
                            int channels,
                            long long first,
                            long long pixels,
                            Raw<To>* plane,
                            float scale,
                            float bias) {
  if (first >= 0 && first + kPiece<To> <= pixels) {
    TargetPiece<To> out;
#pragma unroll
    for (int j = 0; j < kPiece<To>; ++j) {
      out.elements[j] = expanded<To>(staged[j * channels], scale, bias);
    }
    // As a number of 16 bytes: of a piece the compiler makes element stores, for the loop below.
    *reinterpret_cast<uint4*>(plane + first) = reinterpret_cast<const uint4&>(out);
    return;
  }
  const long long end = min(first + kPiece<To>, pixels);
  for (long long i = max(first, 0LL); i < end; ++i) {
    plane[i] = expanded<To>(staged[static_cast<int>(i - first) * channels], scale, bias);
  }
}

/// A block takes as many pieces of each plane of one sample. Pieces begin where the target is
/// aligned, which in each plane is another pixel, up to one piece early.
template <DataType To>
__device__ void expand_planes(const unsigned char* source,
                              Raw<To>* target,
                              Count pixels,
                              Count channels,
                              const float* scale,
                              const float* bias) {
  __shared__ alignas(
      kPieceBytes) unsigned char staged[kTileBytes + kPieceBytes * (kMostFastChannels + 2)];
  const int few = static_cast<int>(channels);
  const int pieces = kTileBytes / (few * kPiece<To>);
  const int tile_pixels = pieces * kPiece<To>;
  const auto tiles = static_cast<unsigned>((pixels + kPiece<To> + tile_pixels - 1) / tile_pixels);
  const unsigned sample = blockIdx.x / tiles;
  const long long tile_first = static_cast<long long>(blockIdx.x - sample * tiles) * tile_pixels;
  const long long first = max(tile_first - kPiece<To>, 0LL);
  const long long end = min(tile_first + tile_pixels, static_cast<long long>(pixels));
  const int skew = stage(source + (sample * pixels + first) * channels,
                         static_cast<int>(max(end - first, 0LL)) * few,
                         staged);

  for (int item = static_cast<int>(threadIdx.x); item < pieces * few; item += kTileThreads) {
    const int channel = item / pieces;
    Raw<To>* plane = target + (sample * channels + channel) * pixels;
    const int plane_skew =
        static_cast<int>(reinterpret_cast<std::uintptr_t>(plane) % kPieceBytes / sizeof(Raw<To>));
    const long long at = tile_first + (item - channel * pieces) * kPiece<To> - plane_skew;
    write_piece<To>(staged + skew + channel + static_cast<int>(at - first) * few,
                    few,
                    at,
                    static_cast<long long>(pixels),
                    plane,
                    scale[channel],
                    bias[channel]);
  }
}

}  // namespace headrace::cuda

using headrace::DataType;
using headrace::cuda::Count;
using headrace::cuda::Raw;

#define HEADRACE_EXPAND_BYTES(to)                                                               \
  extern "C" __global__ void __launch_bounds__(headrace::cuda::kThreads)                        \
      interleaved_to_##to(const unsigned char* source,                                          \
                          Raw<DataType::to>* target,                                            \
                          Count count,                                                          \
                          Count head,                                                           \
                          Count pieces,                                                         \
                          Count channels,                                                       \
                          const float* scale,                                                   \
                          const float* bias) {                                                  \
    headrace::cuda::expand_interleaved<DataType::to>(                                           \
        {source, target, count, head, pieces, channels}, scale, bias);                          \
  }                                                                                             \
  extern "C" __global__ void __launch_bounds__(headrace::cuda::kThreads)                        \
      three_planes_to_##to(const unsigned char* source,                                         \
                           Raw<DataType::to>* target,                                           \
                           Count samples,                                                       \
                           Count pixels,                                                        \
                           const float* scale,                                                  \
                           const float* bias) {                                                 \
    headrace::cuda::expand_three_planes<DataType::to>(                                          \
        source, target, samples, pixels, scale, bias);                                          \
  }                                                                                             \
  extern "C" __global__ void __launch_bounds__(headrace::cuda::kTileThreads)                    \
      planes_to_##to(const unsigned char* source,                                               \
                     Raw<DataType::to>* target,                                                 \
                     Count pixels,                                                              \
                     Count channels,                                                            \
                     const float* scale,                                                        \
                     const float* bias) {                                                       \
    headrace::cuda::expand_planes<DataType::to>(source, target, pixels, channels, scale, bias); \
  }
HEADRACE_EXPAND_BYTES(float32)
HEADRACE_EXPAND_BYTES(float16)
HEADRACE_EXPAND_BYTES(bfloat16)
