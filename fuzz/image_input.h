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
  const auto read = [&](const sources::ImageRules& rules) {
    std::vector<std::byte> pixels(rules.size.width * rules.size.height * kChannels);
    expect_sound([&] { reader.read(path, rules, bytes.size(), pixels); });
  };
  expect_sound([&] {
    std::uint64_t file_bytes = 0;
    (void)reader.is_image(path, file_bytes);
    const ImageSize size = reader.size_of(path);
    if (size.width * size.height <= kMostPixels) {
      read({.size = size});
    }
  });
  constexpr ImageSize kSmall{.width = 7, .height = 5};
  read({.size = kSmall, .may_resize = true});
  read({.size = kSmall, .may_resize = true, .random_crop = RandomCrop{}, .random_flip = true});
}

}  // namespace headrace::fuzz
