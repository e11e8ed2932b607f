// SPDX-License-Identifier: Apache-2.0
// Decoding a part of a picture gives the pixels that decoding all of it gives.
#include "image_writing.h"
#include "sources/jpeg.h"
#include "sources/png.h"

#include <fmt/format.h>

namespace headrace::test {
namespace {

using sources::EncodedImage;
using sources::ImageHead;
using sources::JpegDecoder;
using sources::PngDecoder;
using sources::Region;

/// Takes a part, or all.
class PartSink final : public sources::RowSink {
 public:
  explicit PartSink(std::optional<Region> part) : part_(part) {}

  sources::Request begin(const ImageHead& head) override {
    if (!part_) {
      part_ = Region{.width = head.stored.width, .height = head.stored.height};
    }
    line_.assign(head.stored.width * 3, 0);
    return {.part = *part_};
  }
  std::uint8_t* next_row() override {
    keep();
    ++row_count_;
    return line_.data();
  }
  void end() override {
    keep();
    has_ended_ = true;
  }

  /// The part's pixels.
  [[nodiscard]] Picture picture() const {
    EXPECT_TRUE(has_ended_);
    return {static_cast<std::uint32_t>(part_->width), row_count_, rgb_};
  }

 private:
  void keep() {
    if (row_count_ > 0) {
      const auto from = line_.begin() + static_cast<std::ptrdiff_t>(part_->x * 3);
      rgb_.insert(rgb_.end(), from, from + static_cast<std::ptrdiff_t>(part_->width * 3));
    }
  }

  std::optional<Region> part_;
  std::vector<std::uint8_t> line_;
  std::vector<std::uint8_t> rgb_;
  std::uint32_t row_count_ = 0;
  bool has_ended_ = false;
};

template <class Decoder>
Picture part_of(const std::string& file, std::optional<Region> part) {
  static Decoder decoder;
  static const std::string kPath = "picture";
  PartSink sink(part);
  decoder.decode(EncodedImage{kPath, std::as_bytes(std::span(file))}, sink);
  return sink.picture();
}

Picture cut(const Picture& picture, const Region& part) {
  Picture result{
      static_cast<std::uint32_t>(part.width), static_cast<std::uint32_t>(part.height), {}};
  for (std::uint64_t y = part.y; y < part.y + part.height; ++y) {
    const auto row =
        picture.rgb.begin() + static_cast<std::ptrdiff_t>((y * picture.width + part.x) * 3);
    result.rgb.insert(result.rgb.end(), row, row + static_cast<std::ptrdiff_t>(part.width * 3));
  }
  return result;
}

/// Decodes parts that begin and end at every place of either axis.
template <class Decoder>
void expect_parts(const std::string& file) {
  const Picture whole = part_of<Decoder>(file, std::nullopt);
  for (const std::uint64_t length : {1U, 5U, 16U, 37U}) {
    for (std::uint64_t x = 0; x + length <= whole.width; ++x) {
      const Region part{x, x % 9, length, whole.height - 9};
      ASSERT_EQ(part_of<Decoder>(file, part), cut(whole, part)) << length << " from column " << x;
    }
    for (std::uint64_t y = 0; y + length <= whole.height; ++y) {
      const Region part{y % 9, y, whole.width - 9, length};
      ASSERT_EQ(part_of<Decoder>(file, part), cut(whole, part)) << length << " from row " << y;
    }
  }
}

TEST(ImageRegion, OfJpegIsExact) {
  const Picture picture = noisy_picture(91, 83);
  for (const bool is_progressive : {false, true}) {
    for (const auto& [across, down] : {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}, {4, 2}}) {
      SCOPED_TRACE(fmt::format("progressive {}, {}x{}", is_progressive, across, down));
      expect_parts<JpegDecoder>(jpeg_file(
          picture, {.quality = 85, .is_progressive = is_progressive, .sampling = {across, down}}));
    }
  }
}

TEST(ImageRegion, OfJpegWithRestartsIsExact) {
  expect_parts<JpegDecoder>(
      jpeg_file(noisy_picture(75, 90), {.quality = 85, .is_subsampled = true, .restart_rows = 1}));
}

TEST(ImageRegion, OfGreyAndInksIsExact) {
  const Picture noise = noisy_picture(100, 100);
  for (const bool is_progressive : {false, true}) {
    expect_parts<JpegDecoder>(jpeg_file(
        90,
        80,
        {noise.rgb.begin(), noise.rgb.begin() + 90 * 80},
        {.from = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .is_progressive = is_progressive}));
    expect_parts<JpegDecoder>(
        jpeg_file(80,
                  70,
                  {noise.rgb.begin(), noise.rgb.begin() + 80 * 70 * 4},
                  {.from = JCS_CMYK, .stored = JCS_YCCK, .is_progressive = is_progressive}));
  }
}

TEST(ImageRegion, OfPngIsExact) {
  const Picture picture = noisy_picture(60, 50);
  for (const bool is_interlaced : {false, true}) {
    expect_parts<PngDecoder>(png_file(picture, {.is_interlaced = is_interlaced}));
  }
}

// Whether an image can be read must not depend on which part of it is looked at.
TEST(ImageRegion, DamageBelowIsSeen) {
  const Picture picture = noisy_picture(64, 200);
  const Region top{0, 0, 64, 20};
  for (const bool is_progressive : {false, true}) {
    const std::string jpeg = jpeg_file(picture, {.is_progressive = is_progressive});
    expect_error([&] { part_of<JpegDecoder>(jpeg.substr(0, jpeg.size() - 100), top); },
                 ErrorCode::corrupt_data,
                 {"at offset"});
  }
  std::string png = png_file(picture);
  png[png.size() - 100] ^= 1;
  expect_error([&] { part_of<PngDecoder>(png, top); }, ErrorCode::corrupt_data, {"at offset"});
}

}  // namespace
}  // namespace headrace::test
