// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "sources/input_decoder.h"

#include <filesystem>
#include <optional>

namespace headrace::sources {

/// What is done to every image of a set.
struct ImageRules {
  ImageSize size;           ///< Of what comes out.
  bool may_resize = false;  ///< Else an image of another size is an error.
};

/// Shape and type of an image of `size`: `[H, W, 3]` uint8.
InputType image_type(const ImageSize& size);

/// The size of an image of that type.
ImageSize size_of_image(const InputType& type);

/// Throws `invalid_argument` when a size is asked for that is out of range.
void check_image_size(const std::optional<ImageSize>& size);

/// Throws `unsupported` when `options.image_size` is set, for data at `path` that is no images.
void refuse_image_size(const std::filesystem::path& path, const SourceOptions& options);

}  // namespace headrace::sources
