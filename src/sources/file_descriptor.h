// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace headrace::sources {

/// Owns an open file descriptor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int number) noexcept : number_(number) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();

  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  int number_ = -1;
};

/// Opens the file at `path` for reading.
///
/// \throws Error  `io` with the system's reason; `unsupported` when it is a folder, pipe, device or
///                socket (never waits on one).
FileDescriptor open_regular(const std::string& path);

/// Bytes of the file `file`, which was opened at `path`.
///
/// \throws Error  As `open_regular`.
std::uint64_t bytes_of_file(const FileDescriptor& file, const std::string& path);

}  // namespace headrace::sources
