// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace headrace {

/// What a NativeHandle's value is; the device's backend says of which API.
enum class HandleKind : std::uint8_t {
  none,
  pointer,         ///< An address: of the host, or of the device (`CUdeviceptr`).
  buffer,          ///< A buffer object (`VkBuffer`); `offset` says where in it.
  stream,          ///< A stream or queue (`CUstream`, `VkQueue`); on `host` an opaque identity.
  command_buffer,  ///< Commands being recorded (`VkCommandBuffer`, a capturing `CUstream`).
  device,          ///< An open device (`VkDevice`, `CUcontext`).
};

/// An object of the API below, for code that calls that API itself. Owns nothing.
struct NativeHandle {
  HandleKind kind = HandleKind::none;
  std::uint64_t value = 0;   ///< The handle's bits.
  std::uint64_t offset = 0;  ///< Bytes into a `buffer`; 0 for every other kind.

  /// The value as an address.
  template <class T = void>
  [[nodiscard]] T* as_pointer() const noexcept {
    return reinterpret_cast<T*>(value);  // NOLINT(performance-no-int-to-ptr): that is what it is
  }
  explicit operator bool() const noexcept { return kind != HandleKind::none; }
  friend bool operator==(const NativeHandle&, const NativeHandle&) = default;
};

}  // namespace headrace
