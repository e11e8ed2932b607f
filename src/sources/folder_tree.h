// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/folder.h"

#include <filesystem>
#include <string>
#include <vector>

namespace headrace::sources {

/// A folder of a tree of folders.
struct TreeFolder {
  std::string path;                ///< Below the tree's root, "a/b"; empty for the root.
  FolderNames names;               ///< Without hidden ones.
  std::vector<std::string> loops;  ///< Of `names.folders`, links to a folder that they are in.
};

/// Lists `root` and all folders below it, links followed, hidden ones left out, in ascending order
/// of the bytes of their paths: "a", "a-b", "a/b". That is the order of Python's
/// `sorted(os.walk(root, followlinks=True))`, and so torchvision's.
///
/// Several links may lead to one folder, which is then listed under each of their names.
///
/// \throws Error  `io` when a folder cannot be read; `unsupported` when links lead to folders that
///                are listed already more than 10,000 times: a few, one below the other, would
///                take for ever.
std::vector<TreeFolder> list_tree(const std::filesystem::path& root);

}  // namespace headrace::sources
