// SPDX-License-Identifier: Apache-2.0
#include "sources/folder.h"

#include "headrace/error.h"

#include "sources/mapped_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

namespace headrace::sources {

namespace fs = std::filesystem;

bool path_exists(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::none) {
    throw_io("examine", path, error.value());
  }
  return fs::exists(status);
}

FolderNames list_folder(const fs::path& folder) {
  FolderNames names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  while (!error && entry != fs::directory_iterator()) {
    std::error_code ignored;  // A dangling link is no file.
    std::vector<std::string>& kind = entry->is_regular_file(ignored) ? names.files
                                     : entry->is_directory(ignored)  ? names.folders
                                                                     : names.others;
    kind.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  if (error) {
    throw_io("list", folder, error.value());
  }
  std::ranges::sort(names.files);
  std::ranges::sort(names.folders);
  std::ranges::sort(names.others);
  return names;
}

std::vector<std::string> file_names(const fs::path& folder) {
  return list_folder(folder).files;
}

void refuse_split(const fs::path& path, const SourceOptions& options) {
  if (!options.split.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Split {} was asked for, and '{}' has no splits.",
                            printable(options.split),
                            path.string()));
  }
}

}  // namespace headrace::sources
