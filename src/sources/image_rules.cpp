// SPDX-License-Identifier: Apache-2.0
#include "sources/image_rules.h"

#include "headrace/error.h"

#include "sources/image.h"

#include <fmt/format.h>

namespace headrace::sources {
namespace {

constexpr std::int64_t kChannels = 3;
constexpr std::uint64_t kMaxSide = 65535;

}  // namespace

InputType image_type(const ImageSize& size) {
  return {.shape = {static_cast<std::int64_t>(size.height),
                    static_cast<std::int64_t>(size.width),
                    kChannels},
          .dtype = DataType::uint8};
}

ImageSize size_of_image(const InputType& type) {
  return {.width = static_cast<std::uint64_t>(type.shape[1]),
          .height = static_cast<std::uint64_t>(type.shape[0])};
}

void check_image_size(const std::optional<ImageSize>& size) {
  if (size && (size->width == 0 || size->height == 0 || size->width > kMaxSide ||
               size->height > kMaxSide || size->width * size->height > kMaxPixels)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Image size {}x{} is out of range: a side has 1 to {} pixels, and an "
                            "image at most {}.",
                            size->width,
                            size->height,
                            kMaxSide,
                            kMaxPixels));
  }
}

void refuse_image_size(const std::filesystem::path& path, const SourceOptions& options) {
  if (options.image_size) {
    throw Error(ErrorCode::unsupported,
                fmt::format("An image size ({}x{}) is unsupported for '{}', which holds no encoded "
                            "images to resize.",
                            options.image_size->width,
                            options.image_size->height,
                            path.string()));
  }
}

}  // namespace headrace::sources
