// SPDX-License-Identifier: Apache-2.0
#include "cli/outputs.h"

#include "headrace/error.h"
#include "headrace/source.h"

#include "cli/files.h"
#include "cli/values.h"

#include <fmt/format.h>

#include <system_error>

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

/// The file that writing to `path` would write, links followed, also to files that are not there.
fs::path place_of(fs::path path) {
  constexpr int kMostLinks = 40;
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(path, error); ++i) {
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  const fs::path place = fs::weakly_canonical(fs::absolute(path, error), error);
  return error ? path : place;
}

bool holds_data(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return false;
  }
  try {
    return open_source(path) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

void check_name(const Output& output) {
  if (output.path == "-") {
    throw UsageError(
        fmt::format("{}: '-' is no file; a file of that name is './-'.", output.option));
  }
  if (holds_data(output.path)) {
    throw UsageError(fmt::format(
        "{}: '{}' holds samples and is not overwritten.", output.option, output.path.string()));
  }
}

}  // namespace

bool name_same_file(const fs::path& one, const fs::path& other) {
  std::error_code error;
  if (fs::is_character_file(one, error)) {  // such as /dev/null, which takes anything
    return false;
  }
  return fs::equivalent(one, other, error) || place_of(one) == place_of(other);
}

void check_outputs(std::initializer_list<Output> outputs) {
  for (auto output = outputs.begin(); output != outputs.end(); ++output) {
    if (output->path.empty()) {
      continue;
    }
    check_name(*output);
    for (auto before = outputs.begin(); before != output; ++before) {
      if (!before->path.empty() && name_same_file(before->path, output->path)) {
        throw UsageError(fmt::format("{} and {} name the same file, '{}'.",
                                     before->option,
                                     output->option,
                                     output->path.string()));
      }
    }
  }
  for (const Output& output : outputs) {
    if (!output.path.empty()) {
      check_writable(output.option, output.path);
    }
  }
}

}  // namespace headrace::cli
