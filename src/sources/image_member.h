// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/image_check.h"
#include "headrace/source.h"

#include "sources/file_part.h"
#include "sources/image_rules.h"
#include "sources/input_decoder.h"

#include <cstddef>
#include <span>

namespace headrace::sources {

/// The type that an image, a JPEG or a PNG whatever its name, will have: of `options.image_size`,
/// else as its head says.
///
/// \throws Error  `corrupt_data` when it is no such image; what `ImageReader::size_of` throws.
InputType examine_image(const FilePart& file, const SourceOptions& options);

/// Decodes an image. \throws Error  What `ImageReader::read` throws.
void decode_image(const FilePart& file,
                  const ImageRules& rules,
                  std::uint64_t random_key,
                  std::span<std::byte> into);

/// Decodes an image twice and compares. \throws Error  What `ImageReader::check` throws.
ImageCheck check_image(const FilePart& file,
                       const ImageRules& rules,
                       std::uint64_t random_key,
                       std::span<const std::byte> input);

}  // namespace headrace::sources
