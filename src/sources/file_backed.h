// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::sources {

/// What sources also are whose samples lie in files.
class FileBacked {
 public:
  FileBacked() = default;
  FileBacked(const FileBacked&) = delete;
  FileBacked& operator=(const FileBacked&) = delete;
  virtual ~FileBacked() = default;

  /// Looks whether every mapped file still has its length, for the system ends a process that reads
  /// behind the end of one; costs a system call a file. A loader does so before it reads a batch;
  /// `read` does not.
  ///
  /// \throws Error  `io` naming the file that was shortened.
  virtual void check_files() const = 0;

  /// Asks the system to bring `samples`, each below the source's size, in from storage. Does not
  /// wait for them and promises nothing.
  virtual void will_need(std::span<const std::uint64_t> samples) const noexcept = 0;

  /// Asks the processor to bring the beginning of `sample` into its caches: for the one that is
  /// read next, while another is. Reads nothing from storage; by default does nothing.
  virtual void prefetch(std::uint64_t sample) const noexcept;

  /// A number that rises when the calling thread has to read from storage.
  [[nodiscard]] virtual std::uint64_t storage_reads() const noexcept;

 protected:
  /// What `prefetch` does for a sample that lies in `part`.
  static void prefetch_begin(std::span<const std::byte> part) noexcept;
};

}  // namespace headrace::sources
