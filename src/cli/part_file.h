// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/error.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace headrace::cli {

/// That a part is not as long as it was left: nobody can go on with it.
class DamagedPart : public Error {
 public:
  /// \param size   Bytes that were written.
  /// \param found  Bytes that are there, or nullopt when the file is not.
  DamagedPart(const std::filesystem::path& path,
              std::uint64_t size,
              std::optional<std::uint64_t> found);
};

/// Checks that `path`, which was finished, has `size` bytes.
///
/// \throws DamagedPart  when it has others, or is not there.
void check_finished(const std::filesystem::path& path, std::uint64_t size);

/// A file that grows at its end, and that a later run can go on with.
///
/// After an error it is not to be used again: what was written stands on the disk up to the last
/// `flush` that returned, and beyond that in parts.
class PartFile {
 public:
  /// Makes the file, or opens the one that is there and cuts off what is behind `size` bytes.
  ///
  /// \throws Error        `io`, as of every call.
  /// \throws DamagedPart  When the file has fewer bytes.
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
