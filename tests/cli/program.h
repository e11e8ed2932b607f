// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/temp_dir.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace headrace::test {

using Arguments = std::vector<std::string>;

/// What a program that ended left.
struct Finished {
  int exit_code = 0;  ///< 128 + the signal's number when one ended it.
  std::string out;
  std::string err;
};

/// The program headrace as a child process. Killed at the end if it still runs.
class Program {
 public:
  /// Starts it; RANK and WORLD_SIZE are set only by `environment`.
  ///
  /// \param terminal  Descriptor of a terminal for standard error, or -1.
  explicit Program(const Arguments& arguments,
                   const std::map<std::string, std::string>& environment = {},
                   int terminal = -1);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  void signal(int number) const;

  /// Waits at most ten seconds until it wrote something to standard error. \returns Whether it did.
  [[nodiscard]] bool wait_for_err() const;

  /// Waits for its end; a program that takes over a minute is killed.
  Finished wait();

 private:
  bool try_wait();

  TempDir folder_;
  pid_t pid_ = -1;
  int status_ = 0;
};

/// Runs the program to its end.
Finished run_program(const Arguments& arguments,
                     const std::map<std::string, std::string>& environment = {});

/// The bundled data set.
std::string digits();

/// All of a file; empty when there is none.
std::string content_of(const std::filesystem::path& path);

/// A folder for files, in memory when there is such a place: a kill loses nothing that was written,
/// flushed or not.
std::filesystem::path quick_folder();

/// Waits at most ten seconds until a file is there. \returns Whether it is.
bool wait_for_file(const std::filesystem::path& path);

}  // namespace headrace::test
