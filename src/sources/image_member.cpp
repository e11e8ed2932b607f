// SPDX-License-Identifier: Apache-2.0
#include "sources/image_member.h"

#include "sources/image_reader.h"

namespace headrace::sources {
namespace {

EncodedImage image_in(const FilePart& file) {
  return {.path = {}, .bytes = file.bytes(), .part = &file};
}

}  // namespace

InputType examine_image(const FilePart& file, const SourceOptions& options) {
  if (!has_jpeg_signature(file.bytes()) && !has_png_signature(file.bytes())) {
    file.refuse(ErrorCode::corrupt_data, 0, "the input does not begin as a JPEG or PNG does");
  }
  return image_type(options.image_size ? *options.image_size
                                       : ImageReader::of_this_thread().size_of(image_in(file)));
}

void decode_image(const FilePart& file,
                  const ImageRules& rules,
                  std::uint64_t random_key,
                  std::span<std::byte> into) {
  ImageReader::of_this_thread().forget_large();
  ImageReader::of_this_thread().read(image_in(file), rules, random_key, into);
}

ImageCheck check_image(const FilePart& file,
                       const ImageRules& rules,
                       std::uint64_t random_key,
                       std::span<const std::byte> input) {
  ImageReader::of_this_thread().forget_large();
  return ImageReader::of_this_thread().check(image_in(file), rules, random_key, input);
}

}  // namespace headrace::sources
