// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace headrace::cli {

/// A file that grows at its end, and that a later run can go on with.
///
/// After an error it is not to be used again: what was written stands on the disk up to the last
/// `flush` that returned, and beyond that in parts.
class PartFile {
 public:
  /// Makes the file, or opens the one that is there and cuts off what is behind `size` bytes.
  ///
  /// \throws Error  `io`, as of every call; `corrupt_data` when the file has fewer bytes.
  PartFile(std::filesystem::path path, std::uint64_t size);
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  /// Bytes so far.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Brings everything to the disk.
  void flush();

 private:
  void drain();
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::vector<std::byte> buffer_;
  std::uint64_t size_ = 0;
};

}  // namespace headrace::cli
