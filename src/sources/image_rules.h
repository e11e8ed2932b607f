// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "sources/input_decoder.h"

#include <filesystem>
#include <optional>

namespace headrace::sources {

/// What is done to every image of a set.
struct ImageRules {
  ImageSize size;                              ///< Of what comes out.
  bool may_resize = false;                     ///< Else an image of another size is an error.
  std::optional<RandomCrop> random_crop = {};  ///< Drawn from a sample's key; needs `may_resize`.
  bool random_flip = false;                    ///< By the key, too.
  bool scaled_decoding = false;  ///< Whether a JPEG may be decoded smaller; needs `may_resize`.
};

/// Shape and type of an image of `size`: `[H, W, 3]` uint8.
InputType image_type(const ImageSize& size);

/// The size of an image of that type.
ImageSize size_of_image(const InputType& type);

/// What `options` demand of images, which have `size` if they demand none.
ImageRules image_rules(const SourceOptions& options, const ImageSize& size);

/// Throws `invalid_argument` when options of images are out of range or do not go together.
void check_image_options(const SourceOptions& options);

/// Throws `unsupported` when an option of images is set, for data at `path` that is no images.
void refuse_image_options(const std::filesystem::path& path, const SourceOptions& options);

}  // namespace headrace::sources
