// SPDX-License-Identifier: Apache-2.0
#include "core/tag_table.h"

#include "headrace/error.h"

#include "core/process.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_map>

namespace headrace::core {

constinit thread_local TagNumber CurrentTag::number_ = 0;

namespace {

/// Guarded by the mutex of the process's tables.
struct Table {
  std::deque<std::string> names{""};                        // by number
  std::unordered_map<std::string_view, TagNumber> numbers;  // of `names`

  Table() {
    for (const std::string_view name : {kLoaderSlotsTag, kLoaderSlabsTag, kStagingTag}) {
      add(name);
    }
  }
  TagNumber add(std::string_view name) {
    const auto number = static_cast<TagNumber>(names.size());
    const std::string& kept = names.emplace_back(name);
    try {
      numbers.emplace(kept, number);
    } catch (...) {
      names.pop_back();
      throw;
    }
    return number;
  }
};

/// Never destroyed: a report may be written while the process exits.
Table& table() {
  static auto* instance = new Table;
  return *instance;
}

void require_fit(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (const auto found = std::ranges::find_if(name, is_control); found != name.end()) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("The name of a MemoryTag has a control character (0x{:02x}) at byte {}.",
                    static_cast<unsigned char>(*found),
                    found - name.begin()));
  }
  if (name.size() > kMaxTagBytes) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("The name of a MemoryTag has {} bytes, above the limit of {}: '{}...'.",
                            name.size(),
                            kMaxTagBytes,
                            name.substr(0, 16)));
  }
}

}  // namespace

TagNumber tag_number(std::string_view name) {
  if (name.empty()) {
    return 0;
  }
  require_fit(name);
  const std::scoped_lock lock(tables_mutex());
  Table& all = table();
  if (const auto found = all.numbers.find(name); found != all.numbers.end()) {
    return found->second;
  }
  if (all.names.size() > kMaxTagNames) {
    throw Error(ErrorCode::capacity,
                fmt::format("MemoryTag '{}' would be a new name, but the process has used all {} "
                            "names that tags may have.",
                            name,
                            kMaxTagNames));
  }
  return all.add(name);
}

std::string tag_name(TagNumber number) {
  const std::scoped_lock lock(tables_mutex());
  Table& all = table();
  return all.names.at(number);
}

}  // namespace headrace::core
