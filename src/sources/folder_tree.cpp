// SPDX-License-Identifier: Apache-2.0
#include "sources/folder_tree.h"

#include "sources/mapped_file.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <sys/types.h>
#include <utility>

namespace headrace::sources {
namespace {

namespace fs = std::filesystem;

/// By what the system knows a folder, whatever path leads to it.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

Identity identity_of(const fs::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    throw_io("examine", folder, errno);
  }
  return {.device = status.st_dev, .inode = status.st_ino};
}

/// A folder to be listed, and those that it is in, itself the last.
struct Place {
  std::string path;
  std::vector<Identity> line;
};

void remove_hidden(std::vector<std::string>& names) {
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
}

}  // namespace

std::vector<TreeFolder> list_tree(const fs::path& root) {
  std::vector<TreeFolder> tree;
  std::vector<Place> open{{.path = "", .line = {identity_of(root)}}};
  while (!open.empty()) {
    const Place place = std::move(open.back());
    open.pop_back();
    TreeFolder folder{.path = place.path, .names = list_folder(root / place.path), .loops = {}};
    for (auto* const names : {&folder.names.files, &folder.names.folders, &folder.names.others}) {
      remove_hidden(*names);
    }
    for (const std::string& name : folder.names.folders) {
      std::string path = place.path.empty() ? name : place.path + '/' + name;
      const Identity identity = identity_of(root / path);
      if (std::ranges::count(place.line, identity) != 0) {
        folder.loops.push_back(name);
        continue;
      }
      open.push_back({.path = std::move(path), .line = place.line});
      open.back().line.push_back(identity);
    }
    tree.push_back(std::move(folder));
  }
  std::ranges::sort(tree, {}, &TreeFolder::path);
  return tree;
}

}  // namespace headrace::sources
