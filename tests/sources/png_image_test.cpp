// SPDX-License-Identifier: Apache-2.0
// PNG is exact: every kind of it against pixels that the test knows.
#include "image_writing.h"

#include <zlib.h>

#include <numeric>

namespace headrace::test {
namespace {

constexpr std::uint32_t kWidth = 13;
constexpr std::uint32_t kHeight = 7;

/// A different value for each place, `per_pixel` of them a pixel.
std::vector<std::uint8_t> ramp(std::size_t per_pixel) {
  std::vector<std::uint8_t> bytes(kWidth * kHeight * per_pixel);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{3});
  return bytes;
}

/// Each value of `from` that stands at `step` i + `at`, three times when it is grey.
Picture rgb_of(const std::vector<std::uint8_t>& from,
               std::size_t step,
               bool is_grey,
               std::size_t next = 1) {
  Picture picture{kWidth, kHeight, {}};
  for (std::size_t i = 0; i < from.size(); i += step) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      picture.rgb.push_back(from[i + (is_grey ? 0 : channel * next)]);
    }
  }
  return picture;
}

TEST(PngImage, RgbIsExact) {
  const auto rows = ramp(3);
  EXPECT_EQ(decode(png_file(kWidth, kHeight, rows)), rgb_of(rows, 3, false));
}

TEST(PngImage, InterlacedIsExact) {
  const auto rows = ramp(3);
  EXPECT_EQ(decode(png_file(kWidth, kHeight, rows, {.is_interlaced = true})),
            rgb_of(rows, 3, false));
}

TEST(PngImage, GreyIsExact) {
  const auto rows = ramp(1);
  EXPECT_EQ(decode(png_file(kWidth, kHeight, rows, {.color_type = PNG_COLOR_TYPE_GRAY})),
            rgb_of(rows, 1, true));
}

TEST(PngImage, AlphaIsDroppedNotBlended) {
  const auto rows = ramp(4);
  EXPECT_EQ(decode(png_file(kWidth, kHeight, rows, {.color_type = PNG_COLOR_TYPE_RGBA})),
            rgb_of(rows, 4, false));
  const auto grey = ramp(2);
  EXPECT_EQ(decode(png_file(kWidth, kHeight, grey, {.color_type = PNG_COLOR_TYPE_GRAY_ALPHA})),
            rgb_of(grey, 2, true));
}

TEST(PngImage, OfSixteenBitsTheUpperEightStay) {
  const auto rows = ramp(6);
  EXPECT_EQ(decode(png_file(kWidth, kHeight, rows, {.bit_depth = 16})), rgb_of(rows, 6, false, 2));
  const auto grey = ramp(2);
  EXPECT_EQ(
      decode(png_file(kWidth, kHeight, grey, {.color_type = PNG_COLOR_TYPE_GRAY, .bit_depth = 16})),
      rgb_of(grey, 2, true));
  const auto with_alpha = ramp(8);
  EXPECT_EQ(decode(png_file(
                kWidth, kHeight, with_alpha, {.color_type = PNG_COLOR_TYPE_RGBA, .bit_depth = 16})),
            rgb_of(with_alpha, 8, false, 2));
}

TEST(PngImage, SmallDepthsOfGreyFillTheRange) {
  const std::vector<std::pair<int, std::vector<std::uint8_t>>> cases{
      {1, {0, 255, 255, 0, 255, 0, 0, 0}},
      {2, {0, 170, 85, 255}},
      {4, {6 * 17, 8 * 17}},
  };
  for (const auto& [depth, wanted] : cases) {
    SCOPED_TRACE(depth);
    const Picture found = decode(png_file(static_cast<std::uint32_t>(wanted.size()),
                                          1,
                                          {depth == 2 ? std::uint8_t{0x27} : std::uint8_t{0x68}},
                                          {.color_type = PNG_COLOR_TYPE_GRAY, .bit_depth = depth}));
    for (std::uint32_t x = 0; x < wanted.size(); ++x) {
      EXPECT_EQ(found.pixel(x, 0), std::vector<std::uint8_t>(3, wanted[x])) << x;
    }
  }
}

TEST(PngImage, PalettesAreExpandedAndTransparencyDropped) {
  const std::vector<png_color> palette{{1, 2, 3}, {200, 100, 50}, {9, 8, 7}};
  const Picture found = decode(png_file(4,
                                        1,
                                        {0x64},  // 1, 2, 1, 0
                                        {.color_type = PNG_COLOR_TYPE_PALETTE,
                                         .bit_depth = 2,
                                         .palette = palette,
                                         .transparency = {0, 128}}));
  EXPECT_EQ(found.rgb, (std::vector<std::uint8_t>{200, 100, 50, 9, 8, 7, 200, 100, 50, 1, 2, 3}));
}

TEST(PngImage, ATransparentColourIsAColour) {
  const auto rows = ramp(3);
  EXPECT_EQ(
      decode(png_file(
          kWidth, kHeight, rows, {.transparent = png_color_16{0, rows[0], rows[1], rows[2], 0}})),
      rgb_of(rows, 3, false));
}

TEST(PngImage, TextsAreSkipped) {
  const auto rows = ramp(3);
  EXPECT_EQ(decode(png_file(kWidth, kHeight, rows, {.text = std::string(10'000'000, 'x')})),
            rgb_of(rows, 3, false));
}

TEST(PngImage, EveryTruncationIsRefused) {
  const std::string file = png_file(smooth_picture(20, 10));
  for (std::size_t size = 8; size < file.size(); ++size) {
    const std::string part = file.substr(0, size);
    expect_error(
        [&] {
          decode(part, ImageSize{20, 10});
        },
        ErrorCode::corrupt_data,
        {"class/image", "at offset"});
  }
}

TEST(PngImage, AWrongChecksumIsRefused) {
  std::string file = png_file(smooth_picture(20, 10));
  file[file.size() - 14] = static_cast<char>(file[file.size() - 14] ^ 1);  // of the pixels' chunk
  expect_error([&] { decode(file); }, ErrorCode::corrupt_data, {"class/image", "CRC error"});
}

/// A PNG whose header says `width` x `height`, with the pixels of a small one.
std::string lying_png(std::uint32_t width, std::uint32_t height) {
  std::string file = png_file(smooth_picture(20, 10));
  for (int i = 0; i < 4; ++i) {
    file[static_cast<std::size_t>(16 + i)] = static_cast<char>(width >> (24 - 8 * i));
    file[static_cast<std::size_t>(20 + i)] = static_cast<char>(height >> (24 - 8 * i));
  }
  const uLong checksum = crc32(0, reinterpret_cast<const Bytef*>(file.data() + 12), 17);
  for (int i = 0; i < 4; ++i) {
    file[static_cast<std::size_t>(29 + i)] = static_cast<char>(checksum >> (24 - 8 * i));
  }
  return file;
}

TEST(PngImage, SizesThatTheFileCannotHoldAreRefused) {
  EXPECT_NO_THROW(decode(lying_png(20, 10)));
  expect_error([] { decode(lying_png(10000, 10000)); },
               ErrorCode::corrupt_data,
               {"cannot hold 10000x10000 pixels"});
  expect_error([] { decode(lying_png(60000, 60000)); },
               ErrorCode::unsupported,
               {"60000x60000", "more than 134217728 pixels"});
  expect_error([] { decode(lying_png(1 << 30, 1)); }, ErrorCode::corrupt_data, {"class/image"});
  expect_error([] { decode(lying_png(0, 10)); }, ErrorCode::corrupt_data, {"class/image"});
}

}  // namespace
}  // namespace headrace::test
