// SPDX-License-Identifier: Apache-2.0
#include "cli/pack_journal.h"

#include "headrace/error.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace headrace::cli {
namespace {

using Json = nlohmann::ordered_json;

Json object_of(const PackJournal::Entries& entries) {
  Json object = Json::object();
  for (const auto& [name, value] : entries) {
    object[name] = value;
  }
  return object;
}

PackJournal::Entries entries_of(const Json& object) {
  PackJournal::Entries entries;
  entries.reserve(object.size());
  for (const auto& [name, value] : object.items()) {
    entries.emplace_back(name, value.get<std::string>());
  }
  return entries;
}

std::uint64_t number_of(const Json& json) {
  if (!json.is_number_unsigned()) {
    throw Error(ErrorCode::corrupt_data, fmt::format("{} is no number", json.dump()));
  }
  return json.get<std::uint64_t>();
}

std::string difference(const PackJournal::Entries& before, const PackJournal::Entries& now) {
  for (const auto& entry : now) {
    const auto old =
        std::ranges::find(before, entry.first, &PackJournal::Entries::value_type::first);
    const std::string old_value = old == before.end() ? "not said" : old->second;
    if (old_value != entry.second) {
      return fmt::format("{} was {} and is {}", entry.first, old_value, entry.second);
    }
  }
  return "";
}

}  // namespace

std::string to_json(const PackJournal& journal) {
  const Json json{{"options", object_of(journal.options)},
                  {"source", object_of(journal.source)},
                  {"total", journal.total},
                  {"samples", journal.samples},
                  {"is_complete", journal.is_complete},
                  {"replaces", journal.replaces},
                  {"inode", journal.inode}};
  return json.dump(2) + "\n";
}

PackJournal pack_journal_from(std::string_view json) {
  PackJournal journal;
  try {
    const Json object = Json::parse(json);
    journal = {.options = entries_of(object.at("options")),
               .source = entries_of(object.at("source")),
               .total = number_of(object.at("total")),
               .samples = number_of(object.at("samples")),
               .is_complete = object.at("is_complete").get<bool>(),
               .replaces = object.at("replaces").get<bool>(),
               .inode = number_of(object.at("inode"))};
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::corrupt_data, error.what());
  }
  if (journal.samples > journal.total || (journal.is_complete && journal.samples < journal.total)) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{} of {} samples cannot be", journal.samples, journal.total));
  }
  return journal;
}

std::string difference(const PackJournal& before, const PackJournal& now) {
  std::string text = difference(before.options, now.options);
  if (!text.empty()) {
    return text;
  }
  PackJournal::Entries source = now.source;
  if (before.is_complete) {  // It was read; but how many files there are goes by its shape.
    std::erase_if(source, [](const auto& entry) { return entry.first == kFingerprint; });
  }
  return before.total == now.total
             ? difference(before.source, source)
             : fmt::format("the number of samples was {} and is {}", before.total, now.total);
}

}  // namespace headrace::cli
