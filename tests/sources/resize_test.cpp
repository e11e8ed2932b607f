// SPDX-License-Identifier: Apache-2.0
// Resizing against what Pillow made, and against what must be so.
#include "image_writing.h"
#include "sources/paths.h"

#include <fmt/format.h>

namespace headrace::test {
namespace {

const std::filesystem::path kImages = HEADRACE_IMAGES_DIR;

TEST(Resize, IsAsPillowAndTorchvisionDoIt) {
  const std::string file = read_file(kImages / "baseline.jpg");
  for (const ImageSize& size :
       {ImageSize{48, 48}, ImageSize{40, 25}, ImageSize{20, 60}, ImageSize{150, 101}}) {
    SCOPED_TRACE(fmt::format("{}x{}", size.width, size.height));
    expect_near(
        decode(file, size),
        read_reference(kImages / fmt::format("baseline_{}x{}.png", size.width, size.height)),
        1,
        3);
  }
}

TEST(Resize, OfTheSamePixelsIsExact) {
  const Picture decoded = read_reference(kImages / "baseline.png");
  const std::string file = png_file(decoded);
  EXPECT_EQ(decode(file, ImageSize{91, 67}), decoded);
  EXPECT_EQ(decode(file, ImageSize{48, 48}), read_reference(kImages / "baseline_48x48.png"));
  EXPECT_EQ(decode(file, ImageSize{150, 101}), read_reference(kImages / "baseline_150x101.png"));
}

TEST(Resize, CutsTheMiddleWhenOneSideFits) {
  const Picture picture = smooth_picture(20, 10);
  const Picture found = decode(png_file(picture), ImageSize{10, 10});
  for (std::uint32_t x = 0; x < 10; ++x) {
    EXPECT_EQ(found.pixel(x, 3), picture.pixel(x + 5, 3));
  }
}

TEST(Resize, OddPixelsAreCutAsPythonRounds) {
  const Picture wide = smooth_picture(13, 10);  // 3 to cut: 1.5 rounds to 2
  EXPECT_EQ(decode(png_file(wide), ImageSize{10, 10}).pixel(0, 0), wide.pixel(2, 0));
  const Picture wider = smooth_picture(15, 10);  // 5 to cut: 2.5 rounds to 2
  EXPECT_EQ(decode(png_file(wider), ImageSize{10, 10}).pixel(0, 0), wider.pixel(2, 0));
}

TEST(Resize, OneColourStays) {
  const Picture picture{50, 3, std::vector<std::uint8_t>(450, 201)};
  for (const ImageSize& size :
       {ImageSize{1, 1}, ImageSize{7, 200}, ImageSize{200, 1}, ImageSize{3, 3}}) {
    const Picture found = decode(png_file(picture), size);
    EXPECT_EQ(found.rgb, std::vector<std::uint8_t>(size.width * size.height * 3, 201));
  }
}

TEST(Resize, ExtremeShapesCoverToo) {
  const Picture line{5000, 1, std::vector<std::uint8_t>(15000, 9)};
  EXPECT_EQ(decode(png_file(line), ImageSize{3, 40}).rgb, std::vector<std::uint8_t>(360, 9));
}

}  // namespace
}  // namespace headrace::test
