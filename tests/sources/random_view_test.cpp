// SPDX-License-Identifier: Apache-2.0
// Random crops and flips: what they may take, what they follow from, and pixels against Pillow's.
#include "sources/random_view.h"

#include "headrace/loader.h"

#include "image_writing.h"
#include "sources/paths.h"
#include "support/tar_writer.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <tuple>

namespace headrace::test {
namespace {

using sources::draw_crop;
using sources::KeyedRandom;
using sources::Region;

const std::filesystem::path kImages = HEADRACE_IMAGES_DIR;

Picture read_with(const SampleSource& source, std::uint64_t key) {
  const Shape shape = source.spec().input_shape;
  Picture picture{static_cast<std::uint32_t>(shape[1]), static_cast<std::uint32_t>(shape[0]), {}};
  picture.rgb.resize(std::size_t{3} * picture.width * picture.height);
  std::int64_t label = 0;
  SampleView view{.input = std::as_writable_bytes(std::span(picture.rgb)),
                  .label = std::as_writable_bytes(std::span(&label, 1)),
                  .fields = {}};
  source.read({.index = 0, .epoch = 0, .random_key = key}, view);
  return picture;
}

Picture mirrored(const Picture& picture) {
  Picture result{picture.width, picture.height, {}};
  for (std::uint32_t y = 0; y < picture.height; ++y) {
    for (std::uint32_t x = 0; x < picture.width; ++x) {
      const auto pixel = picture.pixel(picture.width - 1 - x, y);
      result.rgb.insert(result.rgb.end(), pixel.begin(), pixel.end());
    }
  }
  return result;
}

TEST(RandomView, PixelsAreThoseOfPillowAndTorchvision) {
  const ImageDir dir;
  dir.add("a/1.png", read_file(kImages / "baseline.png"));
  const std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>> cases{
      {1, 48, 48}, {2, 48, 48}, {3, 40, 25}, {4, 20, 60}, {5, 64, 64}, {6, 33, 47}};
  for (const auto& [key, width, height] : cases) {
    SCOPED_TRACE(key);
    const auto source = open_source(
        dir.path(),
        {.image_size = ImageSize{width, height}, .random_crop = RandomCrop{}, .random_flip = true});
    EXPECT_EQ(
        read_with(*source, key),
        read_reference(kImages / fmt::format("baseline_key{}_{}x{}.png", key, width, height)));
  }
}

// The crop is taken of what is seen: a turned file of the same picture gives the same.
TEST(RandomView, OrientationComesBefore) {
  const Picture stored = noisy_picture(40, 30);
  for (unsigned number = 1; number <= 8; ++number) {
    SCOPED_TRACE(number);
    const ImageDir dir;
    dir.add("a/1.png", png_file(stored, {.exif = exif_block(number)}));
    const ImageDir upright_dir;
    upright_dir.add("a/1.png", png_file(picture_of(*dir.open())));
    for (std::uint64_t key = 0; key < 20; ++key) {
      const SourceOptions options{
          .image_size = ImageSize{16, 12}, .random_crop = RandomCrop{}, .random_flip = true};
      // Sums of mirrored weights may round differently by one.
      expect_near(read_with(*open_source(dir.path(), options), key),
                  read_with(*open_source(upright_dir.path(), options), key),
                  1,
                  1);
    }
  }
}

TEST(RandomView, IsTheSameInTarShards) {
  const std::string file = png_file(noisy_picture(40, 30));
  const ImageDir dir;
  dir.add("a/1.png", file);
  const TempDir shards;
  write_file(shards / "x.tar", tar_member("a.png", file) + tar_member("a.cls", "0") + tar_end());
  const SourceOptions options{
      .image_size = ImageSize{16, 12}, .random_crop = RandomCrop{}, .random_flip = true};
  const auto in_folder = open_source(dir.path(), options);
  const auto in_shard = open_source(shards / "x.tar", options);
  for (std::uint64_t key = 0; key < 10; ++key) {
    EXPECT_EQ(read_with(*in_shard, key), read_with(*in_folder, key));
  }
  EXPECT_NE(read_with(*in_shard, 0), read_with(*in_shard, 1));
}

TEST(RandomView, FlipsHalfOfAllAndNothingElse) {
  const ImageDir dir;
  dir.add("a/1.png", png_file(smooth_picture(9, 5)));
  const Picture upright = smooth_picture(9, 5);
  const auto source = open_source(dir.path(), {.random_flip = true});
  int flipped = 0;
  constexpr int kCount = 2000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const Picture found = read_with(*source, random_key(1, 0, i));
    if (found != upright) {
      ++flipped;
      EXPECT_EQ(found, mirrored(upright));
    }
  }
  EXPECT_NEAR(flipped, kCount / 2, 5 * std::sqrt(kCount / 4.0));
}

// A crop is where it is with and without flips.
TEST(RandomView, FlipsDoNotMoveCrops) {
  const ImageDir dir;
  dir.add("a/1.png", png_file(noisy_picture(50, 40)));
  const ImageSize size{20, 20};
  const auto plain = open_source(dir.path(), {.image_size = size, .random_crop = RandomCrop{}});
  const auto flipping = open_source(
      dir.path(), {.image_size = size, .random_crop = RandomCrop{}, .random_flip = true});
  int flipped = 0;
  for (std::uint64_t key = 0; key < 50; ++key) {
    const Picture wanted = read_with(*plain, key);
    const Picture found = read_with(*flipping, key);
    flipped += found == wanted ? 0 : 1;
    EXPECT_EQ(found, found == wanted ? wanted : mirrored(wanted));
  }
  EXPECT_GT(flipped, 10);
  EXPECT_LT(flipped, 40);
}

TEST(RandomView, CropsKeepTheirBounds) {
  const ImageSize from{1000, 1000};
  for (const RandomCrop& crop : {RandomCrop{}, RandomCrop{0.3, 0.5, 0.5, 0.8}}) {
    double areas = 0;
    double logarithms = 0;
    std::set<std::uint64_t> lefts;
    constexpr int kCount = 5000;
    int fitting = 0;
    for (std::uint64_t i = 0; i < kCount; ++i) {
      KeyedRandom random(random_key(7, 3, i));
      const Region part = draw_crop(crop, from, random);
      ASSERT_GT(part.width, 0u);
      ASSERT_GT(part.height, 0u);
      ASSERT_LE(part.x + part.width, from.width);
      ASSERT_LE(part.y + part.height, from.height);
      const double area = static_cast<double>(part.width * part.height) / 1e6;
      const double ratio = static_cast<double>(part.width) / static_cast<double>(part.height);
      EXPECT_GE(area, crop.min_scale * 0.98);
      EXPECT_LE(area, crop.max_scale * 1.02);
      EXPECT_GE(ratio, crop.min_ratio * 0.98);
      EXPECT_LE(ratio, crop.max_ratio * 1.02);
      areas += area;
      logarithms += std::log(ratio);
      lefts.insert(part.x);
      ++fitting;
    }
    // Parts near the whole fit seldom, so the mean lies below the middle of the bounds.
    EXPECT_LT(areas / fitting, (crop.min_scale + crop.max_scale) / 2 + 0.01);
    EXPECT_GT(areas / fitting, crop.min_scale + (crop.max_scale - crop.min_scale) * 0.35);
    EXPECT_NEAR(logarithms / fitting, std::log(crop.min_ratio * crop.max_ratio) / 2, 0.03);
    EXPECT_GT(lefts.size(), 150u);
  }
}

TEST(RandomView, TheMiddleIsTakenWhenNothingFits) {
  const RandomCrop whole{1, 1, 3.0 / 4, 4.0 / 3};
  KeyedRandom random(1);
  const Region wide = draw_crop(whole, {1000, 100}, random);
  EXPECT_EQ(std::tuple(wide.x, wide.y, wide.width, wide.height), std::tuple(433, 0, 133, 100));
  const Region high = draw_crop(whole, {100, 1000}, random);
  EXPECT_EQ(std::tuple(high.x, high.y, high.width, high.height), std::tuple(0, 433, 100, 133));
  const Region dot = draw_crop({1, 1, 3, 4}, {1, 1000}, random);
  EXPECT_EQ(std::tuple(dot.x, dot.width, dot.height), std::tuple(0, 1, 1));
}

TEST(RandomView, RatiosAreEvenByTheirLogarithm) {
  EXPECT_EQ(sources::between_by_ratio(0.75, 4.0 / 3, 0), 0.75);
  for (const double place : {0.1, 0.25, 0.5, 0.9, 0.999999}) {
    EXPECT_NEAR(
        sources::between_by_ratio(0.75, 4.0 / 3, place), 0.75 * std::pow(16.0 / 9, place), 1e-9);
  }
}

// The numbers are part of what a seed means: they never change.
TEST(RandomView, DrawsAreAsEver) {
  KeyedRandom random(0);
  EXPECT_EQ(random.next(), 0xE220A8397B1DCDAFu);  // SplitMix64's published first number
  EXPECT_EQ(random.next(), 0x6E789E6AA1B965F4u);
}

TEST(RandomView, OptionsThatDoNotFitAreRefused) {
  const ImageDir dir;
  dir.add("a/1.png", png_file(smooth_picture(9, 5)));
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  expect_error([&] { open_source(dir.path(), {.random_crop = RandomCrop{}}); },
               kInvalid,
               {"one size for all", "`image_size`"});
  for (const RandomCrop& crop : {RandomCrop{.min_scale = 0},
                                 RandomCrop{.max_scale = 1.01},
                                 RandomCrop{.min_scale = 0.6, .max_scale = 0.5},
                                 RandomCrop{.min_ratio = 0},
                                 RandomCrop{.max_ratio = INFINITY},
                                 RandomCrop{.min_ratio = NAN},
                                 RandomCrop{.min_ratio = 2, .max_ratio = 1}}) {
    expect_error(
        [&] {
          open_source(dir.path(), {.image_size = ImageSize{4, 4}, .random_crop = crop});
        },
        kInvalid,
        {"A random crop of", "out of range"});
  }
  const std::string digits = HEADRACE_DATA_DIR "/digits";
  expect_error([&] { open_source(digits, {.random_flip = true}); },
               ErrorCode::unsupported,
               {"A random flip", digits, "no encoded images"});
  expect_error([&] { open_source(digits, {.random_crop = RandomCrop{}}); },
               ErrorCode::unsupported,
               {"A random crop", digits});
}

}  // namespace
}  // namespace headrace::test
