// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/headrace.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace headrace::test {

/// The bytes of any tensor's elements, whatever their type.
inline std::vector<std::uint8_t> bytes_of(const Tensor& tensor) {
  const Device host = open_device("host");
  Tensor copy(MemoryManager(host), tensor.shape(), tensor.dtype());
  copy.copy_from(tensor);
  host.synchronize();
  std::vector<std::uint8_t> bytes(tensor.size_bytes());
  if (!bytes.empty()) {
    std::memcpy(bytes.data(), copy.native_handle().as_pointer(), bytes.size());
  }
  return bytes;
}

/// Any bits, so that floating-point elements are also NaNs and infinities.
inline std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random());
  }
  return bytes;
}

/// A tensor of any bits, the same on every device.
inline Tensor random_tensor(const MemoryManager& manager, const Shape& shape, DataType dtype) {
  const Device host = open_device("host");
  Tensor made(MemoryManager(host), shape, dtype);
  const std::vector<std::byte> bytes = random_bytes(made.size_bytes(), made.size_bytes());
  if (!bytes.empty()) {
    std::memcpy(made.native_handle().as_pointer(), bytes.data(), bytes.size());
  }
  Tensor tensor(manager, shape, dtype);
  tensor.copy_from(made);
  return tensor;
}

}  // namespace headrace::test
