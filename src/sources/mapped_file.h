// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/error.h"

#include "sources/file_descriptor.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

// The room `sources`: data sets in files and in memory, opened by content, read at random.
namespace headrace::sources {

/// A regular file, mapped read-only as a whole; its pages are shared with the page cache.
///
/// Life: the file may be unlinked or replaced by a rename while it is mapped. It must not be
/// shortened in place: the system answers an access beyond the new end with SIGBUS, which ends the
/// process with "Bus error". `check_not_shortened` turns that into an Error for readers that call
/// it before they touch the bytes, as a loader does before every batch.
/// Threads: everything is safe from any thread.
class MappedFile {
 public:
  /// Maps the file at `path`. An empty file gives empty bytes.
  ///
  /// \throws Error  `io` with the system's reason when it cannot be opened or mapped;
  ///                `unsupported` when it is a folder, pipe, device or socket (never waits on one).
  explicit MappedFile(std::filesystem::path path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// Asks the system whether the file still has at least the bytes that were mapped.
  ///
  /// \throws Error  `io` naming both sizes when it is shorter.
  void check_not_shortened() const;

  /// Throws the Error that this file cannot be served: path, `offset` and `reason`, which is the
  /// rest of a sentence without its full stop.
  [[noreturn]] void refuse(ErrorCode code, std::uint64_t offset, std::string_view reason) const;

 private:
  std::filesystem::path path_;
  FileDescriptor descriptor_;
  std::span<const std::byte> bytes_;
};

/// Throws `io`: "Cannot ACTION 'PATH': " and the system's text for `error_number`.
[[noreturn]] void throw_io(std::string_view action,
                           const std::filesystem::path& path,
                           int error_number);

/// `text` in double quotes as errors show it: at most 40 characters, those outside printable ASCII
/// as \xNN, so that a hostile file cannot write to the user's terminal.
std::string printable(std::string_view text);

}  // namespace headrace::sources
