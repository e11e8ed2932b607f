// SPDX-License-Identifier: Apache-2.0
#include "image_writing.h"
#include "sources/paths.h"

#include <atomic>
#include <sys/stat.h>
#include <thread>

namespace headrace::test {
namespace {

constexpr auto kUnsupported = ErrorCode::unsupported;
constexpr auto kInvalid = ErrorCode::invalid_argument;
constexpr auto kCorrupt = ErrorCode::corrupt_data;

Picture plain(std::uint32_t width, std::uint32_t height, std::uint8_t value) {
  return {width, height, std::vector<std::uint8_t>(std::size_t{width} * height * 3, value)};
}

std::string png(std::uint8_t value, std::uint32_t width = 4, std::uint32_t height = 3) {
  return png_file(plain(width, height, value));
}

TEST(ImageFolder, ClassesAndFilesComeByName) {
  const ImageDir dir;
  dir.add("zebra/1.png", png(50));
  dir.add("Ant/b.png", png(20));
  dir.add("Ant/a.jpg", png(10));  // what it is, not what it is called
  dir.add("ant/c", png(30));
  dir.add("bee/x.png", png(40));
  const auto source = dir.open();
  EXPECT_EQ(source->name(), dir.path());
  EXPECT_EQ(source->spec(),
            (SampleSpec{Shape{3, 4, 3}, DataType::uint8, Shape{}, DataType::int64, {}}));
  ASSERT_EQ(source->size(), 5u);
  const std::vector<std::int64_t> labels{0, 0, 1, 2, 3};
  for (std::uint8_t i = 0; i < 5; ++i) {
    EXPECT_EQ(picture_of(*source, i), plain(4, 3, static_cast<std::uint8_t>(10 * (i + 1))));
    EXPECT_EQ(label_of<std::int64_t>(*source, i), std::vector<std::int64_t>{labels[i]});
  }
}

TEST(ImageFolder, HiddenIsPassedOverAndReadmesAreNamed) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  dir.add("a/.DS_Store", "x");
  dir.add(".git/2.png", png(2));
  dir.add(".cache", "x");
  EXPECT_EQ(dir.open()->name(), dir.path());
  dir.add("README.md", "words");
  EXPECT_EQ(dir.open()->name(), dir.path() + " (but 1 file that is no image: README.md)");
  dir.add("a/LICENSE", "words");
  dir.add("a/Thumbs.db", "words");
  const auto source = dir.open();
  EXPECT_EQ(source->name(),
            dir.path() + " (but 3 files that are no images: README.md, a/LICENSE, a/Thumbs.db)");
  EXPECT_EQ(source->size(), 1u);
}

// As torchvision's ImageFolder: sorted(os.walk(class)), and the files of each folder sorted.
TEST(ImageFolder, ImagesOfAClassLieAtAnyDepth) {
  const ImageDir dir;
  const std::vector<std::string> in_order{"a/x.png",
                                          "a/z.png",
                                          "a/B/0.png",
                                          "a/b/1.png",
                                          "a/b-c/0.png",
                                          "a/b/c/0.png",
                                          "a/b/c/d/0.png",
                                          "a/b0/0.png",
                                          "b/b/0.png"};
  for (std::uint8_t i = 0; i < in_order.size(); ++i) {
    dir.add(in_order[i], png(static_cast<std::uint8_t>(10 + i)));
  }
  dir.add("a/.hidden/0.png", png(1));
  dir.add("a/b/.hidden.png", png(1));
  dir.add("a/b/README", "words");
  std::filesystem::create_directories(dir.path("a/without"));
  const auto source = dir.open();
  EXPECT_EQ(source->name(), dir.path() + " (but 1 file that is no image: a/b/README)");
  ASSERT_EQ(source->size(), in_order.size());
  for (std::uint8_t i = 0; i < in_order.size(); ++i) {
    EXPECT_EQ(picture_of(*source, i), plain(4, 3, static_cast<std::uint8_t>(10 + i)));
    EXPECT_EQ(label_of<std::int64_t>(*source, i), std::vector<std::int64_t>{i == 8 ? 1 : 0});
  }
}

TEST(ImageFolder, LinksAreFollowedAndLoopsRefused) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  dir.add("b/deep/2.png", png(2));
  std::filesystem::create_directory_symlink("../b/deep", dir.path("a/link"));
  EXPECT_EQ(dir.open()->size(), 3u);
  EXPECT_EQ(picture_of(*dir.open(), 1), plain(4, 3, 2));
  for (const char* target : {".", "..", "../../b"}) {
    const std::string loop = dir.path("b/deep/loop");
    std::filesystem::create_directory_symlink(target, loop);
    if (std::string(target) == "..") {
      std::filesystem::remove(dir.path("a/link"));
    }
    expect_error([&] { dir.open(); }, kUnsupported, {"loop' is a link to a folder that it is in"});
    std::filesystem::remove(loop);
  }
  std::filesystem::create_directory_symlink("..", dir.path("b/all"));
  expect_error(
      [&] { dir.open(); }, kUnsupported, {"'b/all/b' is a link to a folder that it is in"});
}

// Loops of links and nothing else: the search for a first image ends.
TEST(ImageFolder, LoopsWithoutImagesAreNotClaimed) {
  const ImageDir dir;
  dir.add("a/list.txt", "words");
  std::filesystem::create_directory_symlink("..", dir.path("a/x"));
  std::filesystem::create_directory_symlink("..", dir.path("a/y"));
  expect_error([&] { dir.open(); }, kUnsupported, {"holds no data set"});
}

TEST(ImageFolder, WhatIsNoImageIsRefused) {
  const std::vector<std::tuple<std::string, std::string, ErrorCode, std::string>> cases{
      {"a/list.txt", "words", kUnsupported, "'a/list.txt' is neither JPEG nor PNG"},
      {"a/2.jpg", "words", kCorrupt, "'a/2.jpg' does not begin as a JPEG or PNG"},
      {"a/empty.png", "", kCorrupt, "'a/empty.png' does not begin"},
      {"labels.csv", "words", kUnsupported, "'labels.csv' is neither a class folder nor"},
      {"0.png", png(1), kUnsupported, "'0.png' is an image outside of all class folders"},
      {"a/deep/list.txt", "words", kUnsupported, "'a/deep/list.txt' is neither JPEG nor PNG"},
      {"a/deep/er/2.jpg", "words", kCorrupt, "'a/deep/er/2.jpg' does not begin as a JPEG or PNG"},
      {"empty/deep/.keep", "", kUnsupported, "'empty' is a class folder without images"},
      {"empty/.keep", "", kUnsupported, "'empty' is a class folder without images"},
  };
  for (const auto& [name, content, code, text] : cases) {
    SCOPED_TRACE(name);
    const ImageDir dir;
    dir.add("a/1.png", png(1));
    dir.add("b/1.png", png(1));
    dir.add(name, content);
    expect_error([&] { dir.open(); }, code, {"'" + dir.path() + "'", text});
    expect_error([&] { dir.open(ImageSize{2, 2}); }, code, {text});
  }
}

TEST(ImageFolder, PipesAndDanglingLinksAreRefused) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  ASSERT_EQ(::mkfifo(dir.path("a/pipe").c_str(), 0600), 0);
  expect_error([&] { dir.open(); }, kUnsupported, {"'a/pipe' is neither a file nor a folder"});
  std::filesystem::remove(dir.path("a/pipe"));
  std::filesystem::create_symlink("nowhere", dir.path("a/link"));
  expect_error([&] { dir.open(); }, kUnsupported, {"'a/link' is neither a file nor a folder"});
}

TEST(ImageFolder, FoldersWithoutImagesAreNotClaimed) {
  const ImageDir dir;
  dir.add("a/list.txt", "words");
  dir.add("b.txt", "words");
  expect_error([&] { dir.open(); },
               kUnsupported,
               {"holds no data set", "or class folders of JPEG and PNG images"});
}

TEST(ImageFolder, OneImageIsNoDataSet) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  expect_error(
      [&] { open_source(dir.path("a/1.png")); }, kUnsupported, {"a/1.png", "is one image"});
  dir.add("a/2.jpg", "words");
  expect_error([&] { open_source(dir.path("a/2.jpg")); }, kCorrupt, {"does not begin as a JPEG"});
}

TEST(ImageFolder, SizesThatDifferAreRefusedUnlessOneIsSet) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  dir.add("a/2.jpg", jpeg_file(plain(4, 3, 1)));
  dir.add("b/3.jpg", jpeg_file(plain(3, 4, 1)));
  dir.add("b/4.png", png(1, 9, 9));
  expect_error(
      [&] { dir.open(); },
      kInvalid,
      {dir.path("a/1.png") + "' is 4x3", dir.path("b/3.jpg") + "' is 3x4", "`image_size`"});
  const auto source = dir.open(ImageSize{2, 5});
  EXPECT_EQ(source->spec().input_shape, (Shape{5, 2, 3}));
  for (std::uint64_t i = 0; i < 4; ++i) {
    expect_near(picture_of(*source, i), plain(2, 5, 1), 0, 1);
  }
}

TEST(ImageFolder, SizesAreThoseAfterTurning) {
  const ImageDir dir;
  dir.add("a/1.jpg", jpeg_file(plain(4, 3, 1)));
  dir.add("a/2.jpg", jpeg_file(plain(3, 4, 1), {.exif = exif_block(6)}));
  EXPECT_EQ(dir.open()->spec().input_shape, (Shape{3, 4, 3}));
}

// The head of the second image ends behind what is read of a file at first.
TEST(ImageFolder, LongHeadsAreReadToTheirEnd) {
  std::string file = jpeg_file(plain(4, 3, 1));
  std::string profile = "\xff\xe2\xff\xff" + std::string(0xfffd, 'x');
  file.insert(2, profile + profile);
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  dir.add("a/2.jpg", file);
  EXPECT_EQ(dir.open()->size(), 2u);
}

TEST(ImageFolder, OptionsThatDoNotFitAreRefused) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  expect_error([&] { dir.open(ImageSize{0, 5}); }, kInvalid, {"0x5", "1 to 65535"});
  expect_error([&] { dir.open(ImageSize{5, 65536}); }, kInvalid, {"5x65536"});
  expect_error([&] { dir.open(ImageSize{65535, 65535}); }, kInvalid, {"134217728"});
  expect_error([&] { open_source(dir.path(), {.split = "train"}); }, kInvalid, {"has no splits"});
  const std::string digits = HEADRACE_DATA_DIR "/digits";
  expect_error(
      [&] {
        open_source(digits, {.image_size = ImageSize{8, 8}});
      },
      kUnsupported,
      {"8x8", digits, "no encoded images"});
  write_npy(dir.path("x.npy"), {3, 2}, std::vector<float>(6));
  expect_error(
      [&] {
        open_source(dir.path("x.npy"), {.image_size = ImageSize{8, 8}});
      },
      kUnsupported,
      {"x.npy", "no encoded images"});
}

TEST(ImageFolder, FilesThatChangedAreErrorsOfTheirSample) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  dir.add("a/2.png", png(2));
  dir.add("a/3.png", png(3));
  const auto source = dir.open();
  dir.add("a/1.png", png(1, 5, 5));
  std::filesystem::remove(dir.path("a/2.png"));
  expect_error([&] { read_sample(*source, 0); },
               kCorrupt,
               {"a/1.png", "is 5x5, not 4x3 as when the data set was opened"});
  expect_error([&] { read_sample(*source, 1); }, ErrorCode::io, {"a/2.png", "No such file"});
  EXPECT_EQ(picture_of(*source, 2), plain(4, 3, 3));
  expect_error([&] { read_sample(*source, 3); }, kInvalid, {"Sample 3"});
}

TEST(ImageFolder, FilesTooLargeForAnImageAreNotBroughtIntoMemory) {
  const ImageDir dir;
  dir.add("a/1.png", png(1));
  const auto source = dir.open(ImageSize{4, 3});
  std::filesystem::resize_file(dir.path("a/1.png"), std::uintmax_t{1} << 40);  // a hole
  expect_error([&] { read_sample(*source, 0); },
               kUnsupported,
               {"a/1.png", "its 1099511627776 bytes are more than 1073741824"});
}

TEST(ImageFolder, IsReadFromManyThreads) {
  const ImageDir dir;
  for (std::uint8_t i = 0; i < 40; ++i) {
    const std::string name = (i % 2 == 0 ? "a/" : "b/") + std::to_string(100 + i);
    const Picture picture = plain(20 + i, 30, i);
    dir.add(name,
            i % 4 < 2 ? png_file(picture) : jpeg_file(picture, {.is_progressive = i % 3 == 0}));
  }
  dir.add("b/999", jpeg_file(plain(30, 30, 1)).substr(0, 300));  // fails while others go on
  const auto source = dir.open(ImageSize{16, 12});
  std::vector<Sample> wanted;
  for (std::uint64_t i = 0; i < 40; ++i) {
    wanted.push_back(read_sample(*source, i));
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t step = 0; step < 80; ++step) {
        const std::uint64_t index = (step * 7 + thread * 5) % 40;
        const Sample sample = read_sample(*source, index);
        wrong += sample.input == wanted[index].input && sample.label == wanted[index].label ? 0 : 1;
        try {
          read_sample(*source, 40);
          ++wrong;
        } catch (const Error& error) {
          wrong += error.code() == kCorrupt ? 0 : 1;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace headrace::test
