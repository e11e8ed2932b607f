// SPDX-License-Identifier: Apache-2.0
// Images as the inputs of tar shards: as those of class folders, with their places in the shard.
#include "headrace/source.h"

#include "image_writing.h"
#include "support/tar_writer.h"

#include <thread>

namespace headrace::test {
namespace {

constexpr auto kCorrupt = ErrorCode::corrupt_data;
constexpr auto kUnsupported = ErrorCode::unsupported;
constexpr auto kInvalid = ErrorCode::invalid_argument;

class TarImages : public testing::Test {
 protected:
  std::shared_ptr<SampleSource> open(const std::string& content,
                                     std::optional<ImageSize> size = {}) {
    write_file(path_, content + tar_end());
    return open_source(path_, {.image_size = size});
  }

  TempDir dir_;
  std::filesystem::path path_ = dir_ / "x.tar";
};

TEST_F(TarImages, AreDecodedByWhatTheyAre) {
  const Picture picture = smooth_picture(20, 9);
  const auto source = open(tar_member("a.png", png_file(picture)) + tar_member("a.cls", "3") +
                           tar_member("b.jpg", png_file(picture)) + tar_member("b.cls", "4") +
                           tar_member("c.JPEG", jpeg_file(picture)) + tar_member("c.cls", "5"));
  EXPECT_EQ(source->spec(),
            (SampleSpec{Shape{9, 20, 3}, DataType::uint8, Shape{}, DataType::int64, {}}));
  ASSERT_EQ(source->size(), 3u);
  EXPECT_EQ(picture_of(*source, 0), picture);
  EXPECT_EQ(picture_of(*source, 1), picture);
  expect_near(picture_of(*source, 2), picture, 2, 6);
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(label_of<std::int64_t>(*source, i),
              std::vector<std::int64_t>{static_cast<std::int64_t>(i) + 3});
  }
}

TEST_F(TarImages, AreResizedAndTurnedAsThoseOfFolders) {
  const std::vector<std::string> files{jpeg_file(smooth_picture(40, 30)),
                                       png_file(smooth_picture(17, 50)),
                                       jpeg_file(smooth_picture(33, 24), {.exif = exif_block(6)})};
  constexpr ImageSize kSize{16, 12};
  std::string shard;
  for (std::size_t i = 0; i < files.size(); ++i) {
    shard += tar_member(std::to_string(i) + ".jpg", files[i]);
  }
  const auto source = open(shard, kSize);
  EXPECT_EQ(source->spec().input_shape, (Shape{12, 16, 3}));
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(picture_of(*source, i), decode(files[i], kSize)) << "image " << i;
  }
}

TEST_F(TarImages, StandBesideArraysOfTheSameShape) {
  const Picture picture = smooth_picture(2, 1);
  const std::string array = npy_file(npy_dictionary("|u1", {1, 2, 3}), "abcdef");
  const auto source = open(tar_member("a.npy", array) + tar_member("b.png", png_file(picture)));
  EXPECT_EQ(bytes_of(read_sample(*source, 0).input), "abcdef");
  EXPECT_EQ(picture_of(*source, 1), picture);
}

TEST_F(TarImages, OfSeveralSizesNeedOne) {
  const std::string small = png_file(smooth_picture(4, 3));
  const std::string shard =
      tar_member("a.png", png_file(smooth_picture(5, 3))) + tar_member("b.png", small);
  expect_error([&] { open(shard); },
               kInvalid,
               {"'" + path_.string() + "'",
                "sample \"b\" is uint8 [3, 4, 3], and sample \"a\" is uint8 [3, 5, 3]",
                "set one size for all images with `image_size`."});
  EXPECT_EQ(open(shard, ImageSize{2, 2})->size(), 2u);
}

TEST_F(TarImages, ASizeIsForImagesAlone) {
  const std::string array = npy_file(npy_dictionary("|u1", {1, 2, 3}), "abcdef");
  expect_error(
      [&] {
        open(tar_member("a.npy", array), ImageSize{2, 1});
      },
      kUnsupported,
      {"2x1", "'" + path_.string() + "'", "holds no encoded images"});
  expect_error([&] { open(tar_member("a.png", "x"), ImageSize{0, 1}); }, kInvalid, {"0x1"});
}

TEST_F(TarImages, ThatAreNoneAreRefusedAtOpen) {
  for (const char* content : {"words", "\xff\xd8"}) {
    expect_error(
        [&] {
          open(tar_member("a.jpg", content), ImageSize{2, 2});
        },
        kCorrupt,
        {"at offset 512, in member \"a.jpg\", the input does not begin as"});
  }
  expect_error([&] { open(tar_member("a.jpg", "")); }, kCorrupt, {"in member \"a.jpg\""});
}

TEST_F(TarImages, FaultsAreToldWithTheirPlaceInTheShard) {
  const std::string whole = jpeg_file(smooth_picture(40, 30));
  const std::string first = tar_member("a.jpg", whole);
  const std::string cut = whole.substr(0, whole.size() / 2);
  const auto source = open(first + tar_member("b.jpg", cut));
  EXPECT_NO_THROW(read_sample(*source, 0));
  expect_error(
      [&] { read_sample(*source, 1); },
      kCorrupt,
      {"'" + path_.string() + "'",
       "at offset " + std::to_string(first.size() + 512 + cut.size()) + ", in member \"b.jpg\","});
}

TEST_F(TarImages, AreReadByManyThreads) {
  std::string shard;
  std::vector<Picture> pictures;
  for (std::uint32_t i = 0; i < 8; ++i) {
    pictures.push_back(smooth_picture(10 + i, 12));
    shard += tar_member(std::to_string(i) + ".png", png_file(pictures.back()));
  }
  constexpr ImageSize kSize{9, 7};
  const auto source = open(shard, kSize);
  std::vector<Picture> wanted;
  for (const Picture& picture : pictures) {
    wanted.push_back(decode(png_file(picture), kSize));
  }
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 40; ++i) {
        const std::uint64_t index = (i + thread) % wanted.size();
        EXPECT_EQ(picture_of(*source, index), wanted[index]);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace headrace::test
