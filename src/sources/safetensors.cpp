// SPDX-License-Identifier: Apache-2.0
#include "sources/safetensors.h"

#include "sources/array_file.h"
#include "sources/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace headrace::sources {
namespace {

constexpr std::string_view kInputs = "inputs";
constexpr std::string_view kLabels = "labels";

std::optional<ArrayFile> find_array(const std::shared_ptr<const MappedFile>& file,
                                    const std::vector<SafetensorsEntry>& entries,
                                    std::string_view name) {
  const auto found = std::ranges::find(entries, name, &SafetensorsEntry::name);
  if (found == entries.end()) {
    return std::nullopt;
  }
  return check_array(file,
                     {.extents = found->extents,
                      .dtype = found->dtype,
                      .is_big_endian = false,
                      .shape_offset = found->name_offset,
                      .data_offset = found->begin,
                      .data_end = found->end});
}

/// The first names of `entries`, for an error.
std::string names_of(const std::vector<SafetensorsEntry>& entries) {
  constexpr std::size_t kMost = 5;
  std::string names;
  for (std::size_t i = 0; i < std::min(kMost, entries.size()); ++i) {
    names += (i == 0 ? "" : ", ") + printable(entries[i].name);
  }
  return entries.empty() ? "none" : entries.size() > kMost ? names + ", ..." : names;
}

bool claims_name(std::string_view file_name) {
  return file_name.ends_with(".safetensors");
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): as Format has it
std::shared_ptr<SampleSource> open_file(std::shared_ptr<const MappedFile> file,
                                        const SourceOptions& /*options*/) {
  const std::vector<SafetensorsEntry> entries = read_safetensors_header(*file);
  const std::optional<ArrayFile> inputs = find_array(file, entries, kInputs);
  if (!inputs) {
    file->refuse(ErrorCode::unsupported,
                 0,
                 fmt::format("no tensor is named \"{}\", which samples need; there {} {}",
                             kInputs,
                             entries.size() == 1 ? "is" : "are",
                             names_of(entries)));
  }
  return make_array_source(*inputs, find_array(file, entries, kLabels), file->path().string());
}

std::shared_ptr<SampleSource> open_folder(const std::filesystem::path& /*folder*/,
                                          const SourceOptions& /*options*/) {
  return nullptr;
}

}  // namespace

constexpr Format kSafetensorsFormat{.file_label = "safetensors",
                                    .folder_label = {},
                                    .claims_name = claims_name,
                                    .has_signature = has_safetensors_signature,
                                    .open_file = open_file,
                                    .open_folder = open_folder};

}  // namespace headrace::sources
