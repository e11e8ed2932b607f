// SPDX-License-Identifier: Apache-2.0
#include "sources/orientation.h"

#include "image_writing.h"

namespace headrace::test {
namespace {

/// The pixel of `stored` that is seen at (x, y) under EXIF's orientation, as its standard draws it.
std::vector<std::uint8_t> seen(const Picture& stored,
                               unsigned orientation,
                               std::uint32_t x,
                               std::uint32_t y) {
  const std::uint32_t right = stored.width - 1;
  const std::uint32_t bottom = stored.height - 1;
  switch (orientation) {
    case 2:
      return stored.pixel(right - x, y);
    case 3:
      return stored.pixel(right - x, bottom - y);
    case 4:
      return stored.pixel(x, bottom - y);
    case 5:
      return stored.pixel(y, x);
    case 6:
      return stored.pixel(y, bottom - x);
    case 7:
      return stored.pixel(right - y, bottom - x);
    case 8:
      return stored.pixel(right - y, x);
    default:
      return stored.pixel(x, y);
  }
}

Picture turned(const Picture& stored, unsigned orientation) {
  Picture result{stored.width, stored.height, {}};
  if (orientation >= 5 && orientation <= 8) {
    std::swap(result.width, result.height);
  }
  for (std::uint32_t y = 0; y < result.height; ++y) {
    for (std::uint32_t x = 0; x < result.width; ++x) {
      const auto pixel = seen(stored, orientation, x, y);
      result.rgb.insert(result.rgb.end(), pixel.begin(), pixel.end());
    }
  }
  return result;
}

TEST(Orientation, OfJpegIsApplied) {
  const Picture picture = smooth_picture(24, 15);
  const Picture stored = decode(jpeg_file(picture));
  for (unsigned number = 0; number <= 9; ++number) {
    SCOPED_TRACE(number);
    for (const bool is_big_endian : {false, true}) {
      EXPECT_EQ(decode(jpeg_file(picture, {.exif = exif_block(number, is_big_endian)})),
                turned(stored, number));
    }
  }
}

TEST(Orientation, OfPngIsApplied) {
  const Picture picture = smooth_picture(24, 15);
  for (unsigned number = 1; number <= 8; ++number) {
    SCOPED_TRACE(number);
    EXPECT_EQ(decode(png_file(picture, {.exif = exif_block(number)})), turned(picture, number));
  }
}

// 37x25 to 17x12 leaves odd pixels to cut on one side or the other.
TEST(Orientation, ComesBeforeResizing) {
  const Picture picture = smooth_picture(37, 25);
  for (const ImageSize& size : {ImageSize{17, 12}, ImageSize{9, 20}, ImageSize{60, 61}}) {
    for (unsigned number = 1; number <= 8; ++number) {
      SCOPED_TRACE(number);
      expect_near(decode(png_file(picture, {.exif = exif_block(number)}), size),
                  decode(png_file(turned(picture, number)), size),
                  1,
                  1);
    }
  }
}

TEST(Orientation, NonsenseIsIgnored) {
  const std::string good = exif_block(6);
  const auto is_upright = [](const std::string& text) {
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    return sources::read_orientation(bytes).is_upright();
  };
  EXPECT_FALSE(is_upright(good));
  EXPECT_TRUE(is_upright(""));
  EXPECT_TRUE(is_upright("Hello, world"));
  EXPECT_TRUE(is_upright(good.substr(0, 20)));
  std::string far = good;
  far[7] = '\x7f';  // the directory lies far behind the end
  EXPECT_TRUE(is_upright(far));
  std::string typed = good;
  typed[12] = 4;
  EXPECT_TRUE(is_upright(typed));
}

}  // namespace
}  // namespace headrace::test
