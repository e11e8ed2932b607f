// SPDX-License-Identifier: Apache-2.0
#include "sources/image_folder.h"

#include "headrace/error.h"

#include "sources/file_backed.h"
#include "sources/file_descriptor.h"
#include "sources/folder.h"
#include "sources/image_backed.h"
#include "sources/image_list.h"
#include "sources/image_reader.h"
#include "sources/image_rules.h"
#include "sources/row_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string>
#include <utility>

namespace headrace::sources {
namespace {

constexpr std::uint64_t kChannels = 3;
constexpr std::size_t kMaxNamed = 5;

SampleSpec spec_of(const ImageSize& size) {
  const InputType type = image_type(size);
  return {.input_shape = type.shape,
          .input_dtype = type.dtype,
          .label_shape = {},
          .label_dtype = DataType::int64,
          .fields = {}};
}

std::string name_of(const ImageList& list) {
  const std::size_t count = list.ignored.size();
  if (count == 0) {
    return list.folder.string();
  }
  return fmt::format(
      "{} (but {} that {}: {}{})",
      list.folder.string(),
      count == 1 ? "1 file" : fmt::format("{} files", count),
      count == 1 ? "is no image" : "are no images",
      fmt::join(list.ignored.begin(),
                list.ignored.begin() + static_cast<std::ptrdiff_t>(std::min(count, kMaxNamed)),
                ", "),
      count > kMaxNamed ? ", ..." : "");
}

/// Images of a folder, read and decoded anew for each sample.
class ImageFolder final : public SampleSource, public FileBacked, public ImageBacked {
 public:
  ImageFolder(ImageList list, const ImageRules& rules)
      : list_(std::move(list)), name_(name_of(list_)), rules_(rules) {}

  [[nodiscard]] SampleSpec spec() const override { return spec_of(rules_.size); }
  [[nodiscard]] std::size_t size() const override { return list_.files.size(); }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::uint64_t fingerprint() const override { return list_.fingerprint; }
  void read(const ReadContext& context, SampleView& into) const override;
  void check_files() const override {}  // Each is opened anew, and none is mapped.
  void will_need(std::span<const std::uint64_t> samples) const noexcept override;
  [[nodiscard]] std::optional<ImageCheck> check_image(
      const ReadContext& context, std::span<const std::byte> input) const override;

 private:
  ImageList list_;
  std::string name_;
  ImageRules rules_;
};

void ImageFolder::read(const ReadContext& context, SampleView& into) const {
  const RowView rows{.input_stride = rules_.size.width * rules_.size.height * kChannels,
                     .label_stride = sizeof(std::int64_t),
                     .row_count = list_.files.size(),
                     .sample_count = list_.files.size()};
  check_read(name_, rows, context, into);
  thread_local std::string path;
  list_.get_path(context.index, path);
  ImageReader::of_this_thread().read(path, rules_, context.random_key, into.input);
  const std::int64_t label = list_.files[context.index].class_index;
  std::memcpy(into.label.data(), &label, sizeof label);
}

void ImageFolder::will_need(std::span<const std::uint64_t> samples) const noexcept {
  try {
    std::string path;
    for (const std::uint64_t sample : samples) {
      list_.get_path(sample, path);
      const FileDescriptor file = open_regular(path);
      ::posix_fadvise(file.number(), 0, 0, POSIX_FADV_WILLNEED);
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): reading it says what is wrong
  }
}

std::optional<ImageCheck> ImageFolder::check_image(const ReadContext& context,
                                                   std::span<const std::byte> input) const {
  std::string path;
  list_.get_path(context.index, path);
  return ImageReader::of_this_thread().check(path, rules_, context.random_key, input);
}

/// The one size of all images.
ImageSize common_size(const ImageList& list) {
  ImageReader& reader = ImageReader::of_this_thread();
  std::string path;
  ImageSize common;
  for (std::size_t i = 0; i < list.files.size(); ++i) {
    list.get_path(i, path);
    const ImageSize size = reader.size_of(path);
    if (i == 0) {
      common = size;
    } else if (size != common) {
      std::string first;
      list.get_path(0, first);
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("The images differ in size: '{}' is {}x{} and '{}' is {}x{}; set one "
                              "for all with `image_size`.",
                              first,
                              common.width,
                              common.height,
                              path,
                              size.width,
                              size.height));
    }
  }
  return common;
}

std::shared_ptr<SampleSource> open_folder(const std::filesystem::path& folder,
                                          const SourceOptions& options) {
  std::optional<ImageList> list = list_images(folder);
  if (!list) {
    return nullptr;
  }
  refuse_split(folder, options);
  check_image_options(options);
  const ImageSize size = options.image_size ? *options.image_size : common_size(*list);
  return std::make_shared<ImageFolder>(std::move(*list), image_rules(options, size));
}

bool has_signature(std::span<const std::byte> bytes) {
  return has_jpeg_signature(bytes) || has_png_signature(bytes);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): as Format has it
std::shared_ptr<SampleSource> open_file(std::shared_ptr<const MappedFile> file,
                                        const SourceOptions& /*options*/) {
  if (!has_signature(file->bytes())) {
    file->refuse(ErrorCode::corrupt_data, 0, "the file does not begin as a JPEG or PNG file does");
  }
  file->refuse(ErrorCode::unsupported,
               0,
               "the file is one image, which has no class: open the folder that its class folder "
               "is in");
}

}  // namespace

constexpr Format kImageFolderFormat{.file_label = "",
                                    .folder_label = "class folders of JPEG and PNG images",
                                    .claims_name = claims_image_name,
                                    .has_signature = has_signature,
                                    .open_file = open_file,
                                    .open_folder = open_folder,
                                    .may_hold_images = true};

}  // namespace headrace::sources
