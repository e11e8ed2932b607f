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
/// \throws Error  `io` when a folder cannot be read.
std::vector<TreeFolder> list_tree(const std::filesystem::path& root);

}  // namespace headrace::sources
