// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "sources/mapped_file.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace headrace::sources {

/// A format that `open_source` knows: one file that defines such a constant, and one line in the
/// table of open_source.cpp.
struct Format {
  std::string_view file_label;    ///< What a file of it is called in errors; empty: none is.
  std::string_view folder_label;  ///< What a folder of it holds, for errors; empty: none is.

  /// Whether a file's name says that it is of this format.
  bool (*claims_name)(std::string_view file_name);

  /// Whether a file's content begins as this format does.
  bool (*has_signature)(std::span<const std::byte> bytes);

  /// Opens a file, checking all of its structure, the signature too.
  std::shared_ptr<SampleSource> (*open_file)(std::shared_ptr<const MappedFile> file,
                                             const SourceOptions& options);

  /// Opens a folder, or gives null when it holds nothing that this format claims.
  std::shared_ptr<SampleSource> (*open_folder)(const std::filesystem::path& folder,
                                               const SourceOptions& options);

  /// Whether it may hold images, and looks at `SourceOptions::image_size` itself.
  bool may_hold_images = false;
};

}  // namespace headrace::sources
