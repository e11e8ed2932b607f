// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <filesystem>
#include <string>
#include <vector>

namespace headrace::sources {

/// Whether something is at `path`, links followed.
///
/// \throws Error  `io` when the system cannot tell.
bool path_exists(const std::filesystem::path& path);

/// Names of the entries of a folder, by what they are, links followed; each in ascending order of
/// bytes.
struct FolderNames {
  std::vector<std::string> files;
  std::vector<std::string> folders;
  std::vector<std::string> others;  ///< Pipes, devices, sockets, links that lead nowhere.
};

/// Lists `folder`.
///
/// \throws Error  `io` when the folder cannot be read.
FolderNames list_folder(const std::filesystem::path& folder);

/// Names of the entries of `folder` that are files, links followed, in ascending order of bytes.
///
/// \throws Error  `io` when the folder cannot be read.
std::vector<std::string> file_names(const std::filesystem::path& folder);

/// Throws `invalid_argument` when `options.split` is set, for data at `path` that has no splits.
void refuse_split(const std::filesystem::path& path, const SourceOptions& options);

}  // namespace headrace::sources
