// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/source.h"

#include "sources/compressed.h"
#include "sources/folder.h"
#include "sources/format.h"
#include "sources/idx.h"
#include "sources/image_folder.h"
#include "sources/image_rules.h"
#include "sources/npy.h"
#include "sources/raw.h"
#include "sources/safetensors.h"
#include "sources/tar.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace headrace {
namespace sources {
namespace {

// The first format that fits is taken, for files as for folders.
constexpr std::array kFormats{
    &kNpyFormat, &kIdxFormat, &kSafetensorsFormat, &kTarFormat, &kImageFolderFormat};

/// The formats' labels as "A, B or C"; not all of them have folders.
std::string labels_of(std::string_view Format::*label) {
  std::vector<std::string_view> labels;
  for (const Format* format : kFormats) {
    if (!(format->*label).empty()) {
      labels.push_back(format->*label);
    }
  }
  const std::string_view last = labels.back();
  labels.pop_back();
  return fmt::format("{} or {}", fmt::join(labels, ", "), last);
}

std::shared_ptr<SampleSource> open_as(const Format& format,
                                      std::shared_ptr<const MappedFile> file,
                                      const SourceOptions& options) {
  const std::filesystem::path path = file->path();
  std::shared_ptr<SampleSource> source = format.open_file(std::move(file), options);
  refuse_split(path, options);
  if (!format.may_hold_images) {
    refuse_image_options(path, options);
  }
  return source;
}

std::shared_ptr<SampleSource> open_file(const std::filesystem::path& path,
                                        const SourceOptions& options) {
  auto file = std::make_shared<const MappedFile>(path);
  for (const Format* format : kFormats) {
    if (format->has_signature(file->bytes())) {
      return open_as(*format, std::move(file), options);
    }
  }
  refuse_compressed(*file);
  const std::string name = path.filename().string();
  const auto claims = [&](const Format* format) { return format->claims_name(name); };
  const auto claimed = std::ranges::find_if(kFormats, claims);
  if (claimed != kFormats.end()) {
    if (file->bytes().empty()) {
      file->refuse(ErrorCode::corrupt_data, 0, "the file is empty");
    }
    return open_as(**claimed, std::move(file), options);
  }
  file->refuse(ErrorCode::unsupported,
               0,
               fmt::format("the file {} (looked for {})",
                           file->bytes().empty() ? "is empty" : "begins as no format that is known",
                           labels_of(&Format::file_label)));
}

std::shared_ptr<SampleSource> open_folder(const std::filesystem::path& path,
                                          const SourceOptions& options) {
  for (const Format* format : kFormats) {
    if (std::shared_ptr<SampleSource> source = format->open_folder(path, options)) {
      if (!format->may_hold_images) {
        refuse_image_options(path, options);
      }
      return source;
    }
  }
  std::error_code error;
  const bool is_empty = std::filesystem::is_empty(path, error);
  throw Error(ErrorCode::unsupported,
              fmt::format("Folder '{}' {} (looked for {}).",
                          path.string(),
                          !error && is_empty ? "is empty" : "holds no data set that is known",
                          labels_of(&Format::folder_label)));
}

}  // namespace
}  // namespace sources

std::shared_ptr<SampleSource> open_source(
    const std::filesystem::path& path,
    SourceOptions options) {  // NOLINT(performance-unnecessary-value-param): as it is published
  if (options.raw) {
    sources::refuse_split(path, options);
    sources::refuse_image_options(path, options);
    return sources::open_raw(path, *options.raw);
  }
  // What cannot be examined is told by opening it.
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return sources::open_folder(path, options);
  }
  return sources::open_file(path, options);
}

}  // namespace headrace
