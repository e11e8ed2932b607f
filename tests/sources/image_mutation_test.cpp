// SPDX-License-Identifier: Apache-2.0
// Images with random faults: each gives a picture of the right size, or an Error that names it.
#include "image_writing.h"

#include <zlib.h>

#include <random>

namespace headrace::test {
namespace {

using Random = std::mt19937_64;

constexpr ImageSize kSize{12, 10};

std::vector<std::string> valid_files() {
  const Picture picture = smooth_picture(24, 17);
  std::vector<std::uint8_t> inks(std::size_t{24} * 17 * 4, 90);
  std::vector<std::uint8_t> indices(std::size_t{24} * 17, 1);
  return {jpeg_file(picture, {.quality = 90}),
          jpeg_file(picture, {.quality = 70, .is_subsampled = true, .exif = exif_block(6)}),
          jpeg_file(picture, {.quality = 80, .is_progressive = true}),
          jpeg_file(24, 17, inks, {.quality = 80, .from = JCS_CMYK, .stored = JCS_YCCK}),
          png_file(picture),
          png_file(picture, {.is_interlaced = true, .exif = exif_block(8)}),
          png_file(24,
                   17,
                   indices,
                   {.color_type = PNG_COLOR_TYPE_PALETTE,
                    .palette = {{1, 2, 3}, {4, 5, 6}},
                    .transparency = {7}})};
}

/// Leaves the first bytes as they are, by which a file is told to be an image.
void mutate(Random& random, std::string& file) {
  constexpr std::size_t kKept = 3;
  if (file.size() <= kKept) {
    return;
  }
  const std::size_t at = kKept + random() % (file.size() - kKept);
  const std::size_t count = 1 + random() % 6;
  switch (random() % 6) {
    case 0:
    case 1:
      file[at] = static_cast<char>(file[at] ^ (1 << random() % 8));
      return;
    case 2:
      file[at] = static_cast<char>(random());
      return;
    case 3:
      file.erase(at, count);
      return;
    case 4:
      file.insert(at, file.substr(random() % file.size(), count * 20));
      return;
    default:
      file.resize(at);
      return;
  }
}

/// Sets the checksum of every chunk, so that faults come through to the parsers behind it.
void mend_png(std::string& file) {
  for (std::size_t at = 8; at + 12 <= file.size();) {
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      length = length << 8 | static_cast<unsigned char>(file[at + i]);
    }
    if (at + 12 + length > file.size()) {
      return;
    }
    const auto* const begin = reinterpret_cast<const Bytef*>(file.data() + at + 4);
    const uLong checksum = crc32(0, begin, static_cast<uInt>(length + 4));
    for (std::size_t i = 0; i < 4; ++i) {
      file[at + 8 + length + i] = static_cast<char>(checksum >> (24 - 8 * i));
    }
    at += 12 + length;
  }
}

TEST(ImageMutation, FaultyImagesAreRefusedOrDecodedWhole) {
  constexpr int kRounds = 8000;
  const ImageDir dir;
  dir.add("a/image", jpeg_file(smooth_picture(24, 17)));
  const auto source = dir.open(kSize);
  const std::vector<std::string> files = valid_files();
  int decoded = 0;
  int refused = 0;
  Random random(20261125);  // NOLINT(bugprone-random-generator-seed): must repeat
  for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::string file = files[random() % files.size()];
    for (std::uint64_t i = 0; i <= random() % 3; ++i) {
      mutate(random, file);
    }
    if (random() % 2 == 0) {
      mend_png(file);
    }
    dir.add("a/image", file);
    try {
      EXPECT_EQ(read_sample(*source, 0).input.size(), kSize.width * kSize.height * 3);
      ++decoded;
    } catch (const Error& error) {
      const std::string_view text = error.what();
      EXPECT_TRUE(error.code() == ErrorCode::corrupt_data || error.code() == ErrorCode::unsupported)
          << text;
      EXPECT_NE(text.find("a/image"), std::string_view::npos) << text;
      EXPECT_EQ(text.find('\n'), std::string_view::npos) << text;
      ++refused;
    }
  }
  // Both ends are reached.
  EXPECT_GT(decoded, kRounds / 100);
  EXPECT_GT(refused, kRounds / 10);
  RecordProperty("decoded", decoded);
}

}  // namespace
}  // namespace headrace::test
