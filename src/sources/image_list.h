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
    std::string name;  ///< Below the folder of its class, "a/1.png".
    std::uint32_t class_index = 0;
  };

  std::filesystem::path folder;
  std::vector<std::string> classes;  ///< Their folders' names, in ascending order of bytes.
  std::vector<File> files;           ///< Class by class, folder by folder, then by name.
  std::vector<std::string> ignored;  ///< README and the like: paths below `folder`.
  std::uint64_t fingerprint = 0;     ///< Of the files' paths and sizes.

  /// Sets `path` to that of file `index`.
  void get_path(std::size_t index, std::string& path) const;
};

/// Whether a file's name says that it is a JPEG or a PNG.
bool claims_image_name(std::string_view file_name);

/// Lists `folder`, telling images by their first bytes. Those of a class may lie at any depth in
/// its folder, and come as torchvision's ImageFolder has them: folder by folder in the order of the
/// bytes of their paths, each by name.
///
/// \returns nullopt when no class folder holds an image, nor a file with the name of one, or none
///          comes up soon.
/// \throws Error  `io`, also when no image comes up and something in `folder` cannot be read;
///                `corrupt_data` for a file that is no image but has the name of one; `unsupported`
///                for other files, for links to a folder that they are in or that multiply, for
///                classes without images and for images outside of classes.
std::optional<ImageList> list_images(const std::filesystem::path& folder);

}  // namespace headrace::sources
