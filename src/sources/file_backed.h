// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headrace::sources {

/// What sources also are whose samples lie in mapped files. Somebody may shorten those meanwhile,
/// and the system ends a process that reads behind the new end.
class FileBacked {
 public:
  FileBacked() = default;
  FileBacked(const FileBacked&) = delete;
  FileBacked& operator=(const FileBacked&) = delete;
  virtual ~FileBacked() = default;

  /// Looks whether every file still has its length; costs a system call a file. A loader does so
  /// before it reads a batch; `read` does not.
  ///
  /// \throws Error  `io` naming the file that was shortened.
  virtual void check_files() const = 0;
};

}  // namespace headrace::sources
