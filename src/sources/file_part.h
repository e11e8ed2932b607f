// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/mapped_file.h"

#include <cstddef>
#include <span>
#include <string_view>

namespace headrace::sources {

/// A file within a mapped file, as a member of an archive is, or all of it. Offsets are the part's
/// own; errors give the file's.
///
/// A view: file and name must outlive it.
class FilePart {
 public:
  /// All of `file`.
  // NOLINTNEXTLINE(google-explicit-constructor): a file is the largest part of itself
  FilePart(const MappedFile& file) : file_(file), bytes_(file.bytes()) {}

  /// \param begin  With `size` it must lie in `file`.
  /// \param name   Of the part, for errors.
  FilePart(const MappedFile& file, std::size_t begin, std::size_t size, std::string_view name)
      : file_(file), bytes_(file.bytes().subspan(begin, size)), begin_(begin), name_(name) {}

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// As `MappedFile::refuse`, naming the part too.
  [[noreturn]] void refuse(ErrorCode code, std::size_t offset, std::string_view reason) const;

 private:
  const MappedFile& file_;
  std::span<const std::byte> bytes_;
  std::size_t begin_ = 0;
  std::string_view name_;
};

}  // namespace headrace::sources
