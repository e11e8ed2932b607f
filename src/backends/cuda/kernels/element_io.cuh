// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "kernels/element.h"

#include <cstdint>
#include <cstring>

namespace headrace::cuda {

using Count = std::uint64_t;

template <DataType Type>
using Raw = typename kernels::Element<Type>::Raw;

/// Elements that are read or written by one access.
template <class T, int N>
struct alignas(sizeof(T) * N) Piece {
  T elements[N];
};

__device__ inline Count thread_index() {
  return static_cast<Count>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline Count thread_count() {
  return static_cast<Count>(gridDim.x) * blockDim.x;
}

/// Reads an element at any address.
template <class T>
__device__ T load(const T* place) {
  if (reinterpret_cast<std::uintptr_t>(place) % sizeof(T) == 0) {
    return *place;
  }
  T value;
  const auto* bytes = reinterpret_cast<const unsigned char*>(place);
  unsigned char copy[sizeof(T)];
  for (unsigned i = 0; i < sizeof(T); ++i) {
    copy[i] = bytes[i];
  }
  std::memcpy(&value, copy, sizeof(T));
  return value;
}

/// Writes an element at any address.
template <class T>
__device__ void store(T* place, T value) {
  if (reinterpret_cast<std::uintptr_t>(place) % sizeof(T) == 0) {
    *place = value;
    return;
  }
  unsigned char copy[sizeof(T)];
  std::memcpy(copy, &value, sizeof(T));
  auto* bytes = reinterpret_cast<unsigned char*>(place);
  for (unsigned i = 0; i < sizeof(T); ++i) {
    bytes[i] = copy[i];
  }
}

/// What the host's expansion computes: two roundings, and one NaN.
__device__ inline float normalised(float value, float scale, float bias) {
  const float sum = __fadd_rn(__fmul_rn(value, scale), bias);
  return sum == sum ? sum : __int_as_float(kernels::kFloat32Nan);
}

}  // namespace headrace::cuda
