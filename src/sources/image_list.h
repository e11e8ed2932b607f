// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::sources {

/// What a folder of class folders holds.
struct ImageList {
  struct File {
    std::string name;
    std::uint32_t class_index = 0;
  };

  std::filesystem::path folder;
  std::vector<std::string> classes;  ///< Their folders' names, in ascending order of bytes.
  std::vector<File> files;           ///< Class by class, then by name.
  std::vector<std::string> ignored;  ///< README and the like: paths below `folder`.
  std::uint64_t fingerprint = 0;     ///< Of the names of classes and files, and the files' sizes.

  /// Sets `path` to that of file `index`.
  void get_path(std::size_t index, std::string& path) const;
};

/// Whether a file's name says that it is a JPEG or a PNG.
bool claims_image_name(std::string_view file_name);

/// Lists `folder`, telling images by their first bytes.
///
/// \returns nullopt when no class folder holds an image, nor a file with the name of one.
/// \throws Error  `io`; `corrupt_data` for a file that is no image but has the name of one;
///                `unsupported` for other files, for folders within classes, for classes without
///                images and for images outside of classes.
std::optional<ImageList> list_images(const std::filesystem::path& folder);

}  // namespace headrace::sources
