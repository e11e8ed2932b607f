// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string_view>

namespace headrace::cli {

/// A file that a command writes.
struct Output {
  std::string_view option;     ///< That named it.
  std::filesystem::path path;  ///< Empty for none.
};

/// Finds out, before anything is done, whether the outputs can be written without harm: each has a
/// name of a file, all are different files, whatever links lead to them, and none of them holds a
/// data set.
///
/// \throws UsageError  where one could do harm.
/// \throws Error       `io` where one cannot be written.
void check_outputs(std::initializer_list<Output> outputs);

/// Whether both name one file, whatever links lead to it, and also where nothing is yet.
bool name_same_file(const std::filesystem::path& one, const std::filesystem::path& other);

}  // namespace headrace::cli
