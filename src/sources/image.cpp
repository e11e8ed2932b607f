// SPDX-License-Identifier: Apache-2.0
#include "sources/image.h"

#include <fmt/format.h>

namespace headrace::sources {

void EncodedImage::refuse(ErrorCode code, std::uint64_t offset, std::string_view reason) const {
  if (part != nullptr) {
    part->refuse(code, offset, reason);
  }
  throw Error(code, fmt::format("Cannot read '{}': at offset {}, {}.", path, offset, reason));
}

void check_pixels(const EncodedImage& image, const ImageSize& size) {
  // Neither side has more than 32 bits in any format.
  if (size.width * size.height > kMaxPixels) {
    image.refuse(
        ErrorCode::unsupported,
        0,
        fmt::format(
            "the image is {}x{}, more than {} pixels", size.width, size.height, kMaxPixels));
  }
}

}  // namespace headrace::sources
