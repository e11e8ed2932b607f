// SPDX-License-Identifier: Apache-2.0
#include "sources/folder_tree.h"

#include "headrace/error.h"

#include "sources/mapped_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <compare>
#include <set>
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
  friend auto operator<=>(const Identity&, const Identity&) = default;
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

/// Counts folders that are listed once more.
class Repeats {
 public:
  /// \throws Error  `unsupported` when `folder` is one too many.
  void add(const Identity& identity, const fs::path& folder) {
    constexpr std::size_t kMost = 10'000;
    count_ += known_.insert(identity).second ? 0U : 1U;
    if (count_ > kMost) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("Links lead to folders that are listed already more than {} times, at "
                      "last to '{}'.",
                      kMost,
                      folder.string()));
    }
  }

 private:
  std::set<Identity> known_;
  std::size_t count_ = 0;
};

void remove_hidden(std::vector<std::string>& names) {
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
}

}  // namespace

std::vector<TreeFolder> list_tree(const fs::path& root) {
  std::vector<TreeFolder> tree;
  std::vector<Place> open{{.path = "", .line = {identity_of(root)}}};
  Repeats repeats;
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
      repeats.add(identity, root / path);
      open.push_back({.path = std::move(path), .line = place.line});
      open.back().line.push_back(identity);
    }
    tree.push_back(std::move(folder));
  }
  std::ranges::sort(tree, {}, &TreeFolder::path);
  return tree;
}

}  // namespace headrace::sources
