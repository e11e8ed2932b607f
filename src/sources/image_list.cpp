// SPDX-License-Identifier: Apache-2.0
#include "sources/image_list.h"

#include "headrace/error.h"

#include "sources/fingerprint.h"
#include "sources/folder.h"
#include "sources/folder_tree.h"
#include "sources/image_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ranges>
#include <utility>

namespace headrace::sources {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char character) {
    return static_cast<char>(std::tolower(character));
  });
  return result;
}

bool is_hidden(std::string_view name) {
  return name.starts_with('.');
}

bool is_shown(const std::string& name) {
  return !is_hidden(name);
}

/// Whether a file that is no image may lie among images: words about them, what a desktop leaves.
bool is_companion(std::string_view name) {
  constexpr std::array<std::string_view, 8> kBeginnings{
      "readme", "license", "licence", "copying", "citation", "notice", "thumbs.db", "desktop.ini"};
  const std::string plain = lower(name);
  return std::ranges::any_of(
      kBeginnings, [&](std::string_view beginning) { return plain.starts_with(beginning); });
}

bool is_image(const std::filesystem::path& path) {
  std::uint64_t file_bytes = 0;
  return ImageReader::of_this_thread().is_image(path.native(), file_bytes);
}

/// Looks for a file that shows that images are meant: one that is an image, or in a class folder
/// has the name of one. It looks at so many files of the root, and at so many files and folders
/// below, and then there is none; who opens a whole disk hears soon that it is no data set.
class FirstImage {
 public:
  explicit FirstImage(const std::filesystem::path& folder) : folder_(folder) {}

  /// \throws Error  `io` when none comes up, and something could not be read.
  bool comes_up(const FolderNames& root);

 private:
  static constexpr std::size_t kMostLookedAt = 10'000;

  bool is_in_root(const FolderNames& root);
  bool is_below(const FolderNames& root);
  bool is_in(const std::filesystem::path& inner);
  void add_folders(const std::filesystem::path& parent, const FolderNames& names);
  template <class Look>
  bool look(const Look& look);

  const std::filesystem::path& folder_;
  std::vector<std::filesystem::path> open_;  // the next one last
  std::size_t looked_at_ = 0;
  std::string failure_;  // the first one
};

bool FirstImage::comes_up(const FolderNames& root) {
  if (is_in_root(root) || is_below(root)) {
    return true;
  }
  if (!failure_.empty()) {
    throw Error(ErrorCode::io,
                fmt::format("No image comes up in folder '{}', and not all of it can be read: {}",
                            folder_.string(),
                            failure_));
  }
  return false;
}

/// What `look` says; false when it cannot read, for there may be an image elsewhere.
template <class Look>
bool FirstImage::look(const Look& look) {
  ++looked_at_;
  try {
    return look();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::io) {
      throw;
    }
    failure_ = failure_.empty() ? error.what() : failure_;
    return false;
  }
}

bool FirstImage::is_in_root(const FolderNames& root) {
  looked_at_ = 0;
  return std::ranges::any_of(root.files | std::views::filter(is_shown), [&](const auto& name) {
    return looked_at_ < kMostLookedAt && look([&] { return is_image(folder_ / name); });
  });
}

bool FirstImage::is_below(const FolderNames& root) {
  looked_at_ = 0;
  add_folders(folder_, root);
  while (!open_.empty() && looked_at_ < kMostLookedAt) {
    const std::filesystem::path inner = std::move(open_.back());
    open_.pop_back();
    if (look([&] { return is_in(inner); })) {
      return true;
    }
  }
  return false;
}

bool FirstImage::is_in(const std::filesystem::path& inner) {
  const FolderNames names = list_folder(inner);
  for (const std::string& name : names.files | std::views::filter(is_shown)) {
    if (claims_image_name(name) || look([&] { return is_image(inner / name); })) {
      return true;
    }
    if (looked_at_ >= kMostLookedAt) {
      return false;
    }
  }
  add_folders(inner, names);
  return false;
}

void FirstImage::add_folders(const std::filesystem::path& parent, const FolderNames& names) {
  for (const std::string& name :
       names.folders | std::views::reverse | std::views::filter(is_shown)) {
    open_.push_back(parent / name);
  }
}

/// Goes through the folders.
class Lister {
 public:
  explicit Lister(const std::filesystem::path& folder) { list_.folder = folder; }

  ImageList run(const FolderNames& root);

 private:
  void add_outside(const FolderNames& names);
  void add_class(const std::string& name);
  void add_folder(const TreeFolder& folder);
  void add_file(const std::string& path, const std::string& name);
  [[noreturn]] void refuse(ErrorCode code, const std::string& path, std::string_view reason) const;

  ImageList list_;
  Fingerprint fingerprint_{"images"};
};

void Lister::refuse(ErrorCode code, const std::string& path, std::string_view reason) const {
  throw Error(code,
              fmt::format("Folder '{}' cannot be read as classes of images: '{}' {}.",
                          list_.folder.string(),
                          path,
                          reason));
}

void Lister::add_outside(const FolderNames& names) {
  for (const std::string& name : names.files) {
    if (is_hidden(name)) {
      continue;
    }
    if (is_image(list_.folder / name)) {
      refuse(ErrorCode::unsupported, name, "is an image outside of all class folders");
    }
    if (!is_companion(name)) {
      refuse(ErrorCode::unsupported, name, "is neither a class folder nor a README or the like");
    }
    list_.ignored.push_back(name);
  }
  for (const std::string& name : names.others) {
    if (!is_hidden(name)) {
      refuse(ErrorCode::unsupported, name, "is neither a file nor a folder");
    }
  }
}

/// \param path  Of the file below the root.
/// \param name  Likewise below the folder of the class, which is the last one so far.
void Lister::add_file(const std::string& path, const std::string& name) {
  std::uint64_t file_bytes = 0;
  if (ImageReader::of_this_thread().is_image((list_.folder / path).native(), file_bytes)) {
    fingerprint_.add(path);
    fingerprint_.add(file_bytes);
    list_.files.push_back(
        {.name = name, .class_index = static_cast<std::uint32_t>(list_.classes.size() - 1)});
  } else if (claims_image_name(path)) {
    refuse(ErrorCode::corrupt_data, path, "does not begin as a JPEG or PNG file does");
  } else if (is_companion(path.substr(path.rfind('/') + 1))) {
    list_.ignored.push_back(path);
  } else {
    refuse(ErrorCode::unsupported, path, "is neither JPEG nor PNG, nor a README or the like");
  }
}

void Lister::add_folder(const TreeFolder& folder) {
  const std::string within = folder.path.empty() ? "" : folder.path + '/';
  const std::string path = list_.classes.back() + '/' + within;
  for (const std::string& file : folder.names.files) {
    add_file(path + file, within + file);
  }
  for (const std::string& loop : folder.loops) {
    refuse(ErrorCode::unsupported, path + loop, "is a link to a folder that it is in");
  }
  for (const std::string& other : folder.names.others) {
    refuse(ErrorCode::unsupported, path + other, "is neither a file nor a folder");
  }
}

void Lister::add_class(const std::string& name) {
  list_.classes.push_back(name);
  const std::size_t count_before = list_.files.size();
  for (const TreeFolder& folder : list_tree(list_.folder / name)) {
    add_folder(folder);
  }
  if (list_.files.size() == count_before) {
    refuse(ErrorCode::unsupported, name, "is a class folder without images");
  }
}

ImageList Lister::run(const FolderNames& root) {
  add_outside(root);
  for (const std::string& name : root.folders) {
    if (!is_hidden(name)) {
      add_class(name);
    }
  }
  list_.fingerprint = fingerprint_.value();
  return std::move(list_);
}

}  // namespace

void ImageList::get_path(std::size_t index, std::string& path) const {
  const File& file = files[index];
  path = folder.native();
  path += '/';
  path += classes[file.class_index];
  path += '/';
  path += file.name;
}

bool claims_image_name(std::string_view file_name) {
  const std::string plain = lower(file_name);
  return plain.ends_with(".jpg") || plain.ends_with(".jpeg") || plain.ends_with(".png");
}

std::optional<ImageList> list_images(const std::filesystem::path& folder) {
  const FolderNames root = list_folder(folder);
  if (!FirstImage(folder).comes_up(root)) {
    return std::nullopt;
  }
  return Lister(folder).run(root);
}

}  // namespace headrace::sources
