// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fuzz/hostile.h"
#include "sources/image_reader.h"

namespace headrace::fuzz {

/// Decodes an input as an image file, made small and, when it is not large, as it is.
inline void decode_image(std::span<const std::uint8_t> bytes) {
  constexpr std::uint64_t kChannels = 3;
  constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 20;
  const std::string& path = InputFile::with(bytes);
  sources::ImageReader& reader = sources::ImageReader::of_this_thread();
  const auto read = [&](const ImageSize& size, bool may_resize) {
    std::vector<std::byte> pixels(size.width * size.height * kChannels);
    expect_sound([&] { reader.read(path, size, may_resize, pixels); });
  };
  expect_sound([&] {
    std::uint64_t file_bytes = 0;
    (void)reader.is_image(path, file_bytes);
    const ImageSize size = reader.size_of(path);
    if (size.width * size.height <= kMostPixels) {
      read(size, false);
    }
  });
  read({.width = 7, .height = 5}, true);
}

}  // namespace headrace::fuzz
