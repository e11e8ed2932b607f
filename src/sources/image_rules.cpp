// SPDX-License-Identifier: Apache-2.0
#include "sources/image_rules.h"

#include "headrace/error.h"

#include "sources/image.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace headrace::sources {
namespace {

constexpr std::int64_t kChannels = 3;
constexpr std::uint64_t kMaxSide = 65535;

void check_image_size(const ImageSize& size) {
  if (size.width == 0 || size.height == 0 || size.width > kMaxSide || size.height > kMaxSide ||
      size.width * size.height > kMaxPixels) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Image size {}x{} is out of range: a side has 1 to {} pixels, and an "
                            "image at most {}.",
                            size.width,
                            size.height,
                            kMaxSide,
                            kMaxPixels));
  }
}

void check_random_crop(const RandomCrop& crop) {
  const bool is_scale_right =
      crop.min_scale > 0 && crop.min_scale <= crop.max_scale && crop.max_scale <= 1;
  const bool is_ratio_right = crop.min_ratio >= 1.0 / kMaxSide &&
                              crop.min_ratio <= crop.max_ratio && crop.max_ratio <= kMaxSide;
  if (!is_scale_right || !is_ratio_right) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("A random crop of {} to {} of the area, in ratios of {} to {}, is out "
                            "of range: above 0, the lower bound first, at most the whole area, and "
                            "no ratio beyond {} to 1.",
                            crop.min_scale,
                            crop.max_scale,
                            crop.min_ratio,
                            crop.max_ratio,
                            kMaxSide));
  }
}

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

ImageRules image_rules(const SourceOptions& options, const ImageSize& size) {
  return {.size = options.image_size.value_or(size),
          .may_resize = options.image_size.has_value(),
          .random_crop = options.random_crop,
          .random_flip = options.random_flip,
          .scaled_decoding = options.scaled_decoding};
}

void check_image_options(const SourceOptions& options) {
  if (options.image_size) {
    check_image_size(*options.image_size);
  }
  if (options.scaled_decoding && !options.image_size) {
    throw Error(ErrorCode::invalid_argument,
                "Scaled decoding is decoding for one size for all; set it with `image_size`.");
  }
  if (options.random_crop) {
    check_random_crop(*options.random_crop);
    if (!options.image_size) {
      throw Error(ErrorCode::invalid_argument,
                  "A random crop is resized to one size for all; set it with `image_size`.");
    }
  }
}

void refuse_image_options(const std::filesystem::path& path, const SourceOptions& options) {
  std::string option;
  if (options.image_size) {
    option =
        fmt::format("An image size ({}x{})", options.image_size->width, options.image_size->height);
  } else if (options.random_crop) {
    option = "A random crop";
  } else if (options.random_flip) {
    option = "A random flip";
  } else if (options.scaled_decoding) {
    option = "Scaled decoding";
  } else {
    return;
  }
  throw Error(
      ErrorCode::unsupported,
      fmt::format(
          "{} is unsupported for '{}', which holds no encoded images.", option, path.string()));
}

}  // namespace headrace::sources
