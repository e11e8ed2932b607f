// SPDX-License-Identifier: Apache-2.0
#include "sources/image_list.h"

#include "headrace/error.h"

#include "sources/fingerprint.h"
#include "sources/folder.h"
#include "sources/image_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

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

/// Whether a file that is no image may lie among images: words about them, what a desktop leaves.
bool is_companion(std::string_view name) {
  constexpr std::array<std::string_view, 8> kBeginnings{
      "readme", "license", "licence", "copying", "citation", "notice", "thumbs.db", "desktop.ini"};
  const std::string plain = lower(name);
  return std::ranges::any_of(
      kBeginnings, [&](std::string_view beginning) { return plain.starts_with(beginning); });
}

/// Goes through the folders. Until a file shows that images are meant, faults are only kept.
class Lister {
 public:
  explicit Lister(const std::filesystem::path& folder) { list_.folder = folder; }

  std::optional<ImageList> run();

 private:
  void add_outside(const FolderNames& names);
  void add_class(const std::string& name);
  void add_file(const std::string& class_name, const std::string& name);
  void claim();
  void add_fault(ErrorCode code, const std::string& path, std::string_view reason);

  ImageList list_;
  Fingerprint fingerprint_{"images"};
  std::optional<Error> fault_;
  bool is_claimed_ = false;
};

void Lister::claim() {
  is_claimed_ = true;
  if (fault_) {
    throw Error(*fault_);
  }
}

void Lister::add_fault(ErrorCode code, const std::string& path, std::string_view reason) {
  if (!fault_) {
    fault_.emplace(code,
                   fmt::format("Folder '{}' cannot be read as classes of images: '{}' {}.",
                               list_.folder.string(),
                               path,
                               reason));
  }
  if (is_claimed_) {
    claim();
  }
}

void Lister::add_outside(const FolderNames& names) {
  for (const std::string& name : names.files) {
    if (is_hidden(name)) {
      continue;
    }
    std::uint64_t file_bytes = 0;
    if (ImageReader::of_this_thread().is_image((list_.folder / name).native(), file_bytes)) {
      add_fault(ErrorCode::unsupported, name, "is an image outside of all class folders");
      claim();
    } else if (is_companion(name)) {
      list_.ignored.push_back(name);
    } else {
      add_fault(ErrorCode::unsupported, name, "is neither a class folder nor a README or the like");
    }
  }
  for (const std::string& name : names.others) {
    if (!is_hidden(name)) {
      add_fault(ErrorCode::unsupported, name, "is neither a file nor a folder");
    }
  }
}

void Lister::add_file(const std::string& class_name, const std::string& name) {
  const std::string path = class_name + '/' + name;
  std::uint64_t file_bytes = 0;
  if (ImageReader::of_this_thread().is_image((list_.folder / path).native(), file_bytes)) {
    fingerprint_.add(path);
    fingerprint_.add(file_bytes);
    list_.files.push_back(
        {.name = name, .class_index = static_cast<std::uint32_t>(list_.classes.size() - 1)});
    claim();
  } else if (claims_image_name(name)) {
    add_fault(ErrorCode::corrupt_data, path, "does not begin as a JPEG or PNG file does");
    claim();
  } else if (is_companion(name)) {
    list_.ignored.push_back(path);
  } else {
    add_fault(ErrorCode::unsupported, path, "is neither JPEG nor PNG, nor a README or the like");
  }
}

void Lister::add_class(const std::string& name) {
  list_.classes.push_back(name);
  const FolderNames names = list_folder(list_.folder / name);
  const std::size_t count_before = list_.files.size();
  for (const std::string& file : names.files) {
    if (!is_hidden(file)) {
      add_file(name, file);
    }
  }
  for (const std::string& inner : names.folders) {
    if (!is_hidden(inner)) {
      add_fault(ErrorCode::unsupported,
                fmt::format("{}/{}", name, inner),
                "is a folder within a class folder");
    }
  }
  for (const std::string& other : names.others) {
    if (!is_hidden(other)) {
      add_fault(ErrorCode::unsupported,
                fmt::format("{}/{}", name, other),
                "is neither a file nor a folder");
    }
  }
  if (list_.files.size() == count_before) {
    add_fault(ErrorCode::unsupported, name, "is a class folder without images");
  }
}

std::optional<ImageList> Lister::run() {
  const FolderNames names = list_folder(list_.folder);
  add_outside(names);
  for (const std::string& name : names.folders) {
    if (!is_hidden(name)) {
      add_class(name);
    }
  }
  if (!is_claimed_) {
    return std::nullopt;
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
  return Lister(folder).run();
}

}  // namespace headrace::sources
