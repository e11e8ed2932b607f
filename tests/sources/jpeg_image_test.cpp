// SPDX-License-Identifier: Apache-2.0
// JPEG against pixels that Pillow decoded, and against those that went in.
#include "image_writing.h"
#include "sources/paths.h"

namespace headrace::test {
namespace {

const std::filesystem::path kImages = HEADRACE_IMAGES_DIR;

Picture filled(std::array<std::uint8_t, 3> color) {
  Picture picture{16, 8, {}};
  for (std::size_t i = 0; i < std::size_t{16} * 8; ++i) {
    picture.rgb.insert(picture.rgb.end(), color.begin(), color.end());
  }
  return picture;
}

/// A JPEG of one colour in four inks, 255 being no ink, as Adobe stores it.
std::string cmyk_file(std::array<std::uint8_t, 4> inks, J_COLOR_SPACE stored) {
  std::vector<std::uint8_t> samples;
  for (std::size_t i = 0; i < std::size_t{16} * 8; ++i) {
    samples.insert(samples.end(), inks.begin(), inks.end());
  }
  return jpeg_file(16, 8, samples, {.from = JCS_CMYK, .stored = stored});
}

// The pictures there were decoded by Pillow, with a libjpeg of its own choice.
TEST(JpegImage, IsAsPillowDecodesIt) {
  for (const std::string name : {"baseline", "full", "progressive", "grey", "cmyk"}) {
    SCOPED_TRACE(name);
    expect_near(decode(read_file(kImages / (name + ".jpg"))),
                read_reference(kImages / (name + ".png")),
                1,
                3);
  }
}

TEST(JpegImage, GivesWhatWentIn) {
  const Picture picture = smooth_picture(37, 23);
  expect_near(decode(jpeg_file(picture)), picture, 2, 4);
  expect_near(decode(jpeg_file(picture, {.is_progressive = true})), picture, 2, 4);
  expect_near(decode(jpeg_file(picture, {.stored = JCS_RGB})), picture, 2, 4);
  expect_near(decode(jpeg_file(picture, {.is_subsampled = true})), picture, 4, 8);
}

TEST(JpegImage, GreyGivesThreeEqualChannels) {
  const std::vector<std::uint8_t> grey(16 * 8, 77);
  const auto file = jpeg_file(16, 8, grey, {.from = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE});
  expect_near(decode(file), filled({77, 77, 77}), 0, 0);
}

TEST(JpegImage, FourInksBecomeRgb) {
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
    expect_near(decode(cmyk_file({255, 255, 255, 255}, stored)), filled({255, 255, 255}), 1, 1);
    expect_near(decode(cmyk_file({255, 255, 255, 0}, stored)), filled({0, 0, 0}), 1, 1);
    expect_near(decode(cmyk_file({0, 255, 255, 255}, stored)), filled({0, 255, 255}), 2, 2);
    // 200 * 100 / 255, and so on
    expect_near(decode(cmyk_file({100, 50, 255, 200}, stored)), filled({78, 39, 200}), 2, 2);
  }
}

TEST(JpegImage, EveryTruncationIsRefused) {
  for (const bool is_progressive : {false, true}) {
    const std::string file =
        jpeg_file(smooth_picture(40, 24), {.quality = 80, .is_progressive = is_progressive});
    const std::size_t least = 3;
    for (std::size_t size = least; size < file.size(); ++size) {
      const std::string part = file.substr(0, size);
      expect_error(
          [&] {
            decode(part, ImageSize{40, 24});
          },
          ErrorCode::corrupt_data,
          {"class/image", "at offset " + std::to_string(size)});
    }
  }
}

TEST(JpegImage, LostDataIsRefusedNotGrey) {
  std::string file = jpeg_file(smooth_picture(64, 64), {.quality = 95});
  // An end in the midst of the pixels, where libjpeg would go on with grey.
  const std::size_t middle = file.size() - 200;
  file.replace(middle, 2, "\xff\xd9");
  expect_error([&] { decode(file); }, ErrorCode::corrupt_data, {"class/image"});
}

/// `file` without its segments of kind `marker`.
std::string without_segments(std::string file, char marker) {
  const std::string begin{'\xff', marker};
  for (std::size_t at = file.find(begin); at != std::string::npos; at = file.find(begin)) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(file.at(at + i)); };
    file.erase(at, 2 + byte(2) * std::size_t{256} + byte(3));
  }
  return file;
}

TEST(JpegImage, IsNotDecodedByTablesOfTheImageBefore) {
  const std::string whole = jpeg_file(smooth_picture(16, 16));
  const std::string lacking = without_segments(whole, '\xdb');
  ASSERT_LT(lacking.size(), whole.size());
  decode(whole);
  expect_error(
      [&] {
        decode(lacking, ImageSize{16, 16});
      },
      ErrorCode::corrupt_data,
      {"class/image", "Quantization table"});
}

TEST(JpegImage, BytesBehindTheEndDoNoHarm) {
  const Picture picture = smooth_picture(16, 16);
  EXPECT_EQ(decode(jpeg_file(picture) + "some more"), decode(jpeg_file(picture)));
}

TEST(JpegImage, KindsThatAreNotReadAreNamed) {
  const Picture picture = smooth_picture(16, 16);
  expect_error([&] { decode(jpeg_file(picture, {.is_arithmetic = true})); },
               ErrorCode::unsupported,
               {"class/image", "arithmetic coding"});
  const std::vector<std::uint8_t> two(16 * 16 * 2, 5);
  expect_error(
      [&] { decode(jpeg_file(16, 16, two, {.from = JCS_UNKNOWN, .stored = JCS_UNKNOWN})); },
      ErrorCode::unsupported,
      {"2 colour components"});
}

/// A JPEG whose frame header says another size.
std::string lying_jpeg(unsigned width, unsigned height) {
  std::string file = jpeg_file(smooth_picture(16, 16));
  const std::size_t frame = file.find("\xff\xc0");
  for (std::size_t i = 0; i < 2; ++i) {
    file[frame + 5 + i] = static_cast<char>(height >> (8 - 8 * i));
    file[frame + 7 + i] = static_cast<char>(width >> (8 - 8 * i));
  }
  return file;
}

TEST(JpegImage, SizesThatTheFileCannotHoldAreRefused) {
  EXPECT_NO_THROW(decode(lying_jpeg(16, 16)));
  expect_error([] { decode(lying_jpeg(10000, 10000)); },
               ErrorCode::corrupt_data,
               {"cannot hold 10000x10000 pixels"});
  expect_error([] { decode(lying_jpeg(65000, 65000)); },
               ErrorCode::unsupported,
               {"65000x65000", "more than 134217728 pixels"});
  expect_error([] { decode(lying_jpeg(0, 16)); }, ErrorCode::corrupt_data, {"class/image"});
}

/// The scans of a progressive JPEG in which every coefficient has one of its own, or two.
std::vector<jpeg_scan_info> many_scans(bool is_refined) {
  std::vector<jpeg_scan_info> scans{{3, {0, 1, 2, 0}, 0, 0, 0, 0}};
  for (int component = 0; component < 3; ++component) {
    for (int coefficient = 1; coefficient < DCTSIZE2; ++coefficient) {
      const int low = is_refined ? 1 : 0;
      scans.push_back({1, {component, 0, 0, 0}, coefficient, coefficient, 0, low});
      if (is_refined) {
        scans.push_back({1, {component, 0, 0, 0}, coefficient, coefficient, 1, 0});
      }
    }
  }
  return scans;
}

TEST(JpegImage, ScansHaveALimit) {
  const Picture picture = smooth_picture(32, 16);
  EXPECT_EQ(decode(jpeg_file(picture, {.scans = many_scans(false)})), decode(jpeg_file(picture)));
  expect_error([&] { decode(jpeg_file(picture, {.scans = many_scans(true)})); },
               ErrorCode::corrupt_data,
               {"class/image", "too many scans"});
}

}  // namespace
}  // namespace headrace::test
