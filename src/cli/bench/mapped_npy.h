// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace headrace::cli {

/// A `.npy` file of bytes, in the system's folder for temporary files and with no name there,
/// mapped read-only; its pages are in memory.
class MappedNpy {
 public:
  /// \param elements  How many bytes, each 1, stand behind the header.
  /// \throws Error  `io`.
  explicit MappedNpy(std::size_t elements);
  MappedNpy(const MappedNpy&) = delete;
  MappedNpy& operator=(const MappedNpy&) = delete;
  ~MappedNpy();

  /// The whole file.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  /// Where in it the elements begin.
  [[nodiscard]] std::size_t begin() const noexcept { return begin_; }

 private:
  std::size_t begin_ = 0;
  std::span<const std::byte> bytes_;
};

}  // namespace headrace::cli
