// SPDX-License-Identifier: Apache-2.0
// The second decoder: agrees with the first over every kind of image, and notices another picture.
#include "headrace/image_check.h"

#include "image_writing.h"
#include "sources/paths.h"
#include "support/tar_writer.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <thread>

namespace headrace::test {
namespace {

using testing::HasSubstr;

const std::filesystem::path kImages = HEADRACE_IMAGES_DIR;

/// What the second decoder says of sample `index`, after `change` was made to what the first made.
std::optional<ImageCheck> check(
    const SampleSource& source,
    std::uint64_t index = 0,
    const std::function<void(Picture&)>& change = [](Picture&) {},
    std::uint64_t random_key = 0) {
  const ReadContext context{.index = index, .random_key = random_key};
  const SampleSpec spec = source.spec();
  Picture picture = {static_cast<std::uint32_t>(spec.input_shape[1]),
                     static_cast<std::uint32_t>(spec.input_shape[0]),
                     {}};
  picture.rgb.resize(bytes_of_part(spec.input_shape, spec.input_dtype));
  std::vector<std::byte> label(bytes_of_part(spec.label_shape, spec.label_dtype));
  SampleView view{.input = std::as_writable_bytes(std::span(picture.rgb)), .label = label};
  source.read(context, view);
  change(picture);
  return check_image(source, context, std::as_bytes(std::span(picture.rgb)));
}

/// Of one file.
ImageCheck check(
    const std::string& file,
    const SourceOptions& options = {},
    const std::function<void(Picture&)>& change = [](Picture&) {},
    std::uint64_t random_key = 0) {
  const ImageDir dir;
  dir.add("class/image", file);
  return check(*open_source(dir.path(), options), 0, change, random_key).value();
}

void expect_alike(const ImageCheck& check) {
  ASSERT_TRUE(check.found.has_value()) << check.reason;
  EXPECT_FALSE(check.is_fault()) << check.found->max << " and " << check.found->mean;
  EXPECT_LE(check.found->mean, check.found->max);
}

void expect_unchecked(const ImageCheck& check, const std::string& reason) {
  EXPECT_FALSE(check.found.has_value());
  EXPECT_FALSE(check.is_fault());
  EXPECT_THAT(check.reason, HasSubstr(reason));
}

void swap_channels(Picture& picture) {
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
    std::swap(picture.rgb[i], picture.rgb[i + 2]);
  }
}

void shift_by_a_pixel(Picture& picture) {
  for (std::uint32_t y = 0; y < picture.height; ++y) {
    const auto row = picture.rgb.begin() + std::ptrdiff_t{y} * picture.width * 3;
    std::copy_backward(row, row + (picture.width - 1) * std::ptrdiff_t{3}, row + picture.width * 3);
  }
}

void shift_by_a_row(Picture& picture) {
  const std::ptrdiff_t row = std::ptrdiff_t{picture.width} * 3;
  std::copy_backward(picture.rgb.begin(), picture.rgb.end() - row, picture.rgb.end());
}

TEST(ImageCheck, AgreesOverTheImagesHere) {
  for (const std::string name : {"baseline", "full", "progressive", "grey", "cmyk"}) {
    SCOPED_TRACE(name);
    const std::string file = read_file(kImages / (name + ".jpg"));
    expect_alike(check(file));
    expect_alike(check(file, {.image_size = ImageSize{40, 25}}));
    expect_alike(check(file, {.image_size = ImageSize{150, 101}}));
    const ImageCheck png = check(read_file(kImages / (name + ".png")));
    expect_alike(png);
    EXPECT_EQ(png.found->max, 0);
  }
}

TEST(ImageCheck, NoticesAnotherPicture) {
  for (const std::string name : {"baseline.jpg", "full.jpg", "progressive.jpg", "baseline.png"}) {
    SCOPED_TRACE(name);
    const std::string file = read_file(kImages / name);
    for (const auto& change : {swap_channels, shift_by_a_pixel, shift_by_a_row}) {
      for (const std::optional<ImageSize> size : {std::optional<ImageSize>{}, {{45, 33}}}) {
        const ImageCheck found = check(file, {.image_size = size}, change);
        EXPECT_TRUE(found.is_fault());
        EXPECT_GT(found.found->mean, found.allowed.mean);
      }
    }
  }
}

TEST(ImageCheck, APngHasOneRightPicture) {
  const std::string file = png_file(smooth_picture(20, 10));
  const ImageCheck found = check(file, {}, [](Picture& picture) { picture.rgb[77] ^= 1; });
  EXPECT_TRUE(found.is_fault());
  EXPECT_EQ(found.found->max, 1);
  EXPECT_DOUBLE_EQ(found.found->mean, 1.0 / (20 * 10 * 3));
}

// Noise, down to files that hardly say what it was, is where decoders differ most.
TEST(ImageCheck, AgreesOverEveryKindOfJpeg) {
  int worst = 0;
  double worst_mean = 0;
  for (const Picture& picture :
       {noisy_picture(61, 47), noisy_picture(64, 48), smooth_picture(37, 23)}) {
    for (const std::array<int, 2> sampling :
         {std::array{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}, {4, 2}, {1, 4}}) {
      for (const int quality : {100, 90, 60, 20, 3}) {
        for (const bool is_progressive : {false, true}) {
          const ImageCheck found = check(jpeg_file(picture,
                                                   {.quality = quality,
                                                    .is_progressive = is_progressive,
                                                    .sampling = sampling,
                                                    .restart_rows = quality == 60 ? 1U : 0U}));
          SCOPED_TRACE(testing::Message() << sampling[0] << "x" << sampling[1] << ", " << quality);
          expect_alike(found);
          worst = std::max(worst, found.found->max);
          worst_mean = std::max(worst_mean, found.found->mean);
        }
      }
    }
  }
  RecordProperty("worst", worst);
  RecordProperty("worst_mean", std::to_string(worst_mean));
}

TEST(ImageCheck, AgreesOverColoursOfAllKinds) {
  const Picture picture = noisy_picture(40, 24);
  expect_alike(check(jpeg_file(picture, {.quality = 90, .stored = JCS_RGB})));
  const std::vector<std::uint8_t> grey(picture.rgb.begin(), picture.rgb.begin() + 40 * 24);
  expect_alike(check(
      jpeg_file(40, 24, grey, {.quality = 90, .from = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE})));
  const Picture inks = noisy_picture(40, 32);  // as many bytes as 40x24 of four colours
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
    for (const bool is_subsampled : {false, true}) {
      expect_alike(check(jpeg_file(
          40,
          24,
          inks.rgb,
          {.quality = 90, .from = JCS_CMYK, .stored = stored, .is_subsampled = is_subsampled})));
    }
  }
}

TEST(ImageCheck, AgreesOverEveryKindOfPng) {
  const auto expect_same = [](const std::string& file) {
    const ImageCheck found = check(file);
    expect_alike(found);
    EXPECT_EQ(found.found->max, 0);
  };
  const std::vector<std::uint8_t> rows = noisy_picture(16, 48).rgb;  // enough for all
  for (const bool is_interlaced : {false, true}) {
    for (const int type : {PNG_COLOR_TYPE_GRAY,
                           PNG_COLOR_TYPE_GRAY_ALPHA,
                           PNG_COLOR_TYPE_RGB,
                           PNG_COLOR_TYPE_RGBA}) {
      for (const int depth : {8, 16}) {
        expect_same(png_file(
            13, 7, rows, {.color_type = type, .bit_depth = depth, .is_interlaced = is_interlaced}));
      }
    }
    for (const int depth : {1, 2, 4}) {
      expect_same(png_file(
          13,
          7,
          rows,
          {.color_type = PNG_COLOR_TYPE_GRAY, .bit_depth = depth, .is_interlaced = is_interlaced}));
    }
    expect_same(png_file(13,
                         7,
                         rows,
                         {.color_type = PNG_COLOR_TYPE_PALETTE,
                          .bit_depth = 2,
                          .is_interlaced = is_interlaced,
                          .palette = {{1, 2, 3}, {200, 100, 50}, {9, 8, 7}, {0, 250, 90}},
                          .transparency = {0, 128}}));
  }
}

TEST(ImageCheck, CutsTurnsAndMirrorsAsTheFirstDecodersPicture) {
  for (unsigned orientation = 1; orientation <= 8; ++orientation) {
    const Picture picture = smooth_picture(60, 44);
    for (const std::string& file :
         {jpeg_file(picture, {.quality = 90, .exif = exif_block(orientation)}),
          png_file(picture, {.exif = exif_block(orientation)})}) {
      expect_alike(check(file));
      expect_alike(check(file, {.image_size = ImageSize{20, 30}, .random_flip = true}));
      for (std::uint64_t key = 0; key < 8; ++key) {
        expect_alike(check(
            file,
            {.image_size = ImageSize{20, 30}, .random_crop = RandomCrop{}, .random_flip = true},
            [](Picture&) {},
            key));
      }
    }
  }
}

TEST(ImageCheck, WhatIsDecodedSmallerIsNotChecked) {
  const std::string file = read_file(kImages / "baseline.jpg");
  expect_unchecked(check(file, {.image_size = ImageSize{20, 16}, .scaled_decoding = true}),
                   "it is decoded at 1/4 of its size");
  expect_alike(check(file, {.image_size = ImageSize{60, 60}, .scaled_decoding = true}));
  const std::string png = read_file(kImages / "baseline.png");
  expect_alike(check(png, {.image_size = ImageSize{20, 16}, .scaled_decoding = true}));
}

/// `file` without its Adobe marker.
std::string without_adobe(std::string file) {
  const std::size_t marker = file.find("\xff\xee");
  EXPECT_EQ(file.substr(marker + 4, 5), "Adobe");
  return file.erase(marker, 16);
}

TEST(ImageCheck, WhatHasSeveralRightPicturesIsNotChecked) {
  const std::string inks = jpeg_file(
      8, 8, std::vector<std::uint8_t>(8 * 8 * 4, 70), {.from = JCS_CMYK, .stored = JCS_CMYK});
  expect_alike(check(inks));
  expect_unchecked(check(without_adobe(inks)), "how its four colours are to be taken");
  std::string other = inks;
  other[other.find("Adobe") + 11] = 1;  // YCbCr, which has three
  expect_unchecked(check(other), "how its four colours are to be taken");

  std::string named = jpeg_file(smooth_picture(8, 8), {.stored = JCS_RGB});
  expect_alike(check(named));
  named[named.find("Adobe") + 11] = 1;
  expect_unchecked(check(named), "called RGB");

  const auto subsampled = [](std::uint32_t width) {
    return jpeg_file(noisy_picture(width, 20), {.quality = 90, .is_subsampled = true});
  };
  for (const std::uint32_t width : {1, 2, 3, 4}) {
    expect_unchecked(check(subsampled(width)), "two columns");
  }
  expect_alike(check(subsampled(5)));
}

// libjpeg takes the usual tables then, and those of the image before if there was one.
TEST(ImageCheck, WhatHasNoTablesOfItsCodesIsNotChecked) {
  std::string file = jpeg_file(noisy_picture(24, 24));
  for (std::size_t at = 0; (at = file.find("\xff\xc4", at)) != std::string::npos;) {
    file.erase(at,
               2 + static_cast<unsigned char>(file[at + 2]) * 256U +
                   static_cast<unsigned char>(file[at + 3]));
  }
  std::thread([&file] { expect_unchecked(check(file), "no tables of its codes"); }).join();
  file.insert(2, std::string("\xff\xfe\0\x06\xff\xc4\0\x03", 8));  // Not those of a comment.
  std::thread([&file] { expect_unchecked(check(file), "no tables of its codes"); }).join();
}

// Behind the first segment, bytes that fill before each, or others, which libjpeg passes over.
TEST(ImageCheck, TablesAreFoundBehindWhatIsPassedOver) {
  const std::string sound = jpeg_file(noisy_picture(24, 24));
  const auto end_of = [](const std::string& file, std::size_t at) {
    return at + 2 + static_cast<unsigned char>(file[at + 2]) * std::size_t{256} +
           static_cast<unsigned char>(file[at + 3]);
  };
  std::string filled = sound;
  std::size_t count = 0;
  for (std::size_t at = end_of(filled, 2); filled[at + 1] != '\xda'; at = end_of(filled, at + 2)) {
    filled.insert(at, "\xff\xff");
    ++count;
  }
  EXPECT_GT(count, 5U);
  expect_alike(check(filled));
  std::string others = sound;
  others.insert(end_of(others, 2), "words");
  expect_alike(check(others));
}

// The decoders differ then, and neither may overflow: full.jpg with the factors of no encoder.
TEST(ImageCheck, LevelsFarOutOfRangeAreAFault) {
  std::string file = read_file(kImages / "full.jpg");
  for (const std::size_t at : {file.find("\xff\xdb"), file.rfind("\xff\xdb")}) {
    file.replace(at + 5, 64, 64, '\xff');
  }
  EXPECT_TRUE(check(file).is_fault());
}

/// A PNG whose transparent colour is named behind its pixels, where it counts for nothing.
std::string png_with_a_late_chunk() {
  std::string chunk("tRNS\0\1\0\2\0\3", 10);
  const uLong checksum = crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), 10);
  chunk.insert(0, std::string("\0\0\0\6", 4));
  for (int shift = 24; shift >= 0; shift -= 8) {
    chunk += static_cast<char>(checksum >> shift);
  }
  std::string file = png_file(smooth_picture(8, 8));
  return file.insert(file.size() - 12, chunk);
}

TEST(ImageCheck, WhatTheSecondDecoderRefusesIsNotChecked) {
  expect_unchecked(check(png_with_a_late_chunk()), "stb_image does not read it (tRNS after IDAT)");
}

TEST(ImageCheck, WhatTheFirstDecoderRefusesIsAnError) {
  const ImageDir dir;
  const std::string whole = jpeg_file(noisy_picture(32, 32));
  dir.add("class/image", whole);
  const auto source = dir.open();
  expect_error(
      [&] { check(*source, 0, [&](Picture&) { dir.add("class/image", whole.substr(0, 2000)); }); },
      ErrorCode::corrupt_data,
      {"class/image", "at offset 2000"});
  dir.add("class/image", whole);
  expect_error(
      [&] {
        check(*source, 0, [&](Picture&) { std::filesystem::remove(dir.path("class/image")); });
      },
      ErrorCode::io,
      {"class/image"});
}

TEST(ImageCheck, SizeAndIndexAreChecked) {
  const ImageDir dir;
  dir.add("class/image", png_file(smooth_picture(4, 4)));
  const auto source = dir.open();
  const std::vector<std::byte> bytes(4 * 4 * 3);
  expect_error([&] { check_image(*source, {.index = 1}, bytes); },
               ErrorCode::invalid_argument,
               {"Sample 1 of '" + dir.path() + "'"});
  expect_error([&] { check_image(*source, {}, std::span(bytes).first(47)); },
               ErrorCode::invalid_argument,
               {dir.path(), "48 bytes", "47 were given"});
}

TEST(ImageCheck, KnowsWhichSamplesAreImages) {
  const TempDir dir;
  const Picture picture = smooth_picture(5, 4);
  const std::string array = npy_file(npy_dictionary("|u1", {4, 5, 3}), std::string(60, 'x'));
  write_file(dir / "x.tar",
             tar_member("a.npy", array) + tar_member("b.png", png_file(picture)) +
                 tar_member("c.jpg", jpeg_file(picture)) + tar_end());
  const auto shard = open_source(dir / "x.tar");
  EXPECT_FALSE(check(*shard, 0).has_value());
  expect_alike(check(*shard, 1).value());
  expect_alike(check(*shard, 2).value());
  EXPECT_TRUE(check(*shard, 2, swap_channels).value().is_fault());
  const auto part = subset(shard, {2, 0});
  EXPECT_TRUE(check(*part, 0, swap_channels).value().is_fault());
  EXPECT_FALSE(check(*part, 1).has_value());
  const std::vector<std::byte> memory(6);
  const auto rows = open_memory(memory,
                                {},
                                {.input_shape = {2},
                                 .input_dtype = DataType::uint8,
                                 .label_shape = {0},
                                 .label_dtype = DataType::uint8});
  EXPECT_FALSE(check_image(*rows, {}, std::span(memory).first(2)).has_value());
}

}  // namespace
}  // namespace headrace::test
