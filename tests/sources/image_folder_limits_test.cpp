// SPDX-License-Identifier: Apache-2.0
// Folders that would take for ever to list, or cannot be: each is one clear error, soon.
#include "image_writing.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>

namespace headrace::test {
namespace {

constexpr auto kUnsupported = ErrorCode::unsupported;

std::string png(std::uint8_t value) {
  return png_file({4, 3, std::vector<std::uint8_t>(36, value)});
}

/// Folders below `parent` so deep that no path leads to the last, as if it could not be read; a
/// test that runs as root can read all others.
void add_unreachable(const std::string& parent) {
  const std::string name(250, 'x');
  int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(folder, 0);
  for (int depth = 0; depth < 17; ++depth) {
    ASSERT_EQ(::mkdirat(folder, name.c_str(), 0700), 0);
    const int inner = ::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(inner, 0);
    ::close(folder);
    folder = inner;
  }
  ::close(folder);
}

/// A class of `depth` folders, each of which leads to the next by two links: 2^depth paths.
void add_doubling_links(const ImageDir& dir, int depth) {
  dir.add("a/1.png", png(1));
  for (int i = 0; i < depth; ++i) {
    const std::string here = i == 0 ? "a" : fmt::format("b/{}", i);
    for (const char* link : {"x", "y"}) {
      dir.add(fmt::format("b/{}/1.png", i + 1), png(2));
      std::filesystem::create_directory_symlink(dir.path(fmt::format("b/{}", i + 1)),
                                                dir.path(here + "/" + link));
    }
  }
}

TEST(ImageFolderLimits, AFolderMayBeInAClassSeveralTimes) {
  const ImageDir dir;
  add_doubling_links(dir, 8);
  std::size_t in_b = 0;  // what is behind b/1 and so on
  for (std::size_t i = 1; i <= 8; ++i) {
    in_b += (std::size_t{2} << (8 - i)) - 1;
  }
  EXPECT_EQ(dir.open()->size(), 511 + in_b);
}

TEST(ImageFolderLimits, LinksThatMultiplyAreRefused) {
  const ImageDir dir;
  add_doubling_links(dir, 30);
  expect_error(
      [&] { dir.open(); },
      kUnsupported,
      {"Links lead to folders that are listed already more than 10000 times, at last to '" +
       dir.path("a/")});
}

TEST(ImageFolderLimits, OfManyOtherFilesSomeAreLookedAt) {
  const ImageDir dir;
  for (int i = 0; i < 10'000; ++i) {
    dir.add(fmt::format("README-{:05}", i), "");
  }
  dir.add("a/b/words.txt", "words");
  dir.add("z.txt", png(1));
  expect_error([&] { dir.open(); }, kUnsupported, {"holds no data set that is known"});
  dir.add("a/b/1.png", png(1));  // Folders are looked into all the same.
  expect_error([&] { dir.open(); }, kUnsupported, {"'z.txt' is an image outside"});
  std::filesystem::remove(dir.path("z.txt"));
  std::filesystem::remove(dir.path("a/b/words.txt"));
  EXPECT_EQ(dir.open()->size(), 1U);
}

TEST(ImageFolderLimits, WhatCannotBeReadIsNamedAsSuch) {
  const ImageDir dir;
  dir.add("a/words.txt", "words");
  add_unreachable(dir.path("a"));
  expect_error([&] { dir.open(); },
               ErrorCode::io,
               {"No image comes up in folder '" + dir.path() + "'",
                "and not all of it can be read: Cannot list '" + dir.path("a/xxx")});
}

TEST(ImageFolderLimits, WhatCannotBeReadHidesNoImage) {
  const ImageDir dir;
  add_unreachable(dir.path());
  dir.add("z/1.png", png(1));
  expect_error([&] { dir.open(); }, ErrorCode::io, {"Cannot examine '" + dir.path("xxx")});
  std::filesystem::create_directory(dir.path("a"));
  dir.add("a/list.txt", "words");  // Then it is told of first: images are meant.
  expect_error([&] { dir.open(); }, kUnsupported, {"'a/list.txt' is neither JPEG nor PNG"});
}

}  // namespace
}  // namespace headrace::test
