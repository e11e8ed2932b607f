// SPDX-License-Identifier: Apache-2.0
#include "sources/idx_folder.h"

#include "headrace/error.h"

#include "sources/folder.h"
#include "sources/mapped_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace headrace::sources {
namespace {

/// Names of the files of one prefix; a complete one has one of each.
struct Candidates {
  std::vector<std::string> images;
  std::vector<std::string> labels;
};

/// Length of the prefix before `part` in `name`, or nullopt when `name` is none of that part.
std::optional<std::size_t> prefix_length(std::string_view name, std::string_view part) {
  for (const std::string_view separator : {"-idx", ".idx"}) {
    const std::string mark = fmt::format("-{}{}", part, separator);
    const std::size_t at = name.rfind(mark);
    if (at != std::string_view::npos && at > 0) {
      return at;
    }
  }
  return std::nullopt;
}

/// Leaves out packed files whose unpacked form is there too.
void drop_packed(std::vector<std::string>& names) {
  const std::vector<std::string> all = names;
  std::erase_if(names, [&](std::string_view name) {
    constexpr std::string_view kPacked = ".gz";
    return name.ends_with(kPacked) &&
           std::ranges::count(all, name.substr(0, name.size() - kPacked.size())) != 0;
  });
}

std::map<std::string, Candidates> find_candidates(const std::filesystem::path& folder) {
  std::map<std::string, Candidates> found;
  for (const std::string& name : file_names(folder)) {
    if (const auto images = prefix_length(name, "images")) {
      found[name.substr(0, *images)].images.push_back(name);
    } else if (const auto labels = prefix_length(name, "labels")) {
      found[name.substr(0, *labels)].labels.push_back(name);
    }
  }
  for (auto& [prefix, candidates] : found) {
    drop_packed(candidates.images);
    drop_packed(candidates.labels);
  }
  return found;
}

[[noreturn]] void refuse_half(const std::filesystem::path& folder,
                              const std::string& prefix,
                              const Candidates& half) {
  const bool has_images = !half.images.empty();
  throw Error(ErrorCode::unsupported,
              fmt::format("Folder '{}' has '{}' but no '{}-{}-idx*'{}.",
                          folder.string(),
                          has_images ? half.images.front() : half.labels.front(),
                          prefix,
                          has_images ? "labels" : "images",
                          has_images ? "; open the file itself to read it without labels" : ""));
}

[[noreturn]] void refuse_choice(const std::filesystem::path& folder,
                                std::string_view split,
                                const std::map<std::string, Candidates>& pairs) {
  std::vector<std::string> prefixes;
  prefixes.reserve(pairs.size());
  for (const auto& [prefix, candidates] : pairs) {
    prefixes.push_back(prefix);
  }
  throw Error(ErrorCode::invalid_argument,
              split.empty()
                  ? fmt::format("Folder '{}' holds the splits {}; choose one with `split`.",
                                folder.string(),
                                fmt::join(prefixes, ", "))
                  : fmt::format("Folder '{}' has no split {}; it holds {}.",
                                folder.string(),
                                printable(split),
                                fmt::join(prefixes, ", ")));
}

std::string only_one(const std::filesystem::path& folder, const std::vector<std::string>& names) {
  if (names.size() > 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Folder '{}' has several files for the same part of a split: {}.",
                            folder.string(),
                            fmt::join(names, ", ")));
  }
  return names.front();
}

}  // namespace

std::optional<IdxPair> find_idx_pair(const std::filesystem::path& folder, std::string_view split) {
  std::map<std::string, Candidates> pairs = find_candidates(folder);
  if (pairs.empty()) {
    return std::nullopt;
  }
  const auto is_half = [](const auto& entry) {
    return entry.second.images.empty() || entry.second.labels.empty();
  };
  const auto wanted = pairs.find(std::string(split));
  if (wanted != pairs.end() && is_half(*wanted)) {
    refuse_half(folder, wanted->first, wanted->second);
  }
  const auto half = std::ranges::find_if(pairs, is_half);
  if (std::ranges::all_of(pairs, is_half)) {
    refuse_half(folder, half->first, half->second);
  }
  std::erase_if(pairs, is_half);
  if (split.empty() ? pairs.size() != 1 : !pairs.contains(std::string(split))) {
    refuse_choice(folder, split, pairs);
  }
  const Candidates& chosen = split.empty() ? pairs.begin()->second : pairs.at(std::string(split));
  return IdxPair{folder / only_one(folder, chosen.images),
                 folder / only_one(folder, chosen.labels)};
}

}  // namespace headrace::sources
