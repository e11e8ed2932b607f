// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/file_backed.h"
#include "sources/tar_samples.h"
#include "support/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstdlib>
#include <thread>

namespace headrace::test {
namespace {

constexpr auto kUnsupported = ErrorCode::unsupported;

/// An input: two numbers from `first` on.
std::string two(std::uint16_t first) {
  return npy_file(
      npy_dictionary("<u2", {2}),
      bytes_of(std::vector<std::uint16_t>{first, static_cast<std::uint16_t>(first + 1)}));
}

std::string sample(const std::string& key, std::uint16_t first, const std::string& label) {
  return tar_member(key + ".npy", two(first)) + tar_member(key + ".cls", label);
}

void expect_sample(const SampleSource& source, std::size_t index, int first, int label) {
  EXPECT_EQ(input_of<std::uint16_t>(source, index),
            (std::vector<std::uint16_t>{static_cast<std::uint16_t>(first),
                                        static_cast<std::uint16_t>(first + 1)}));
  EXPECT_EQ(label_of<std::int64_t>(source, index), std::vector<std::int64_t>{label});
}

class Tar : public testing::Test {
 protected:
  std::shared_ptr<SampleSource> open(const std::string& content) {
    write_file(path_, content);
    return open_source(path_);
  }

  TempDir dir_;
  std::filesystem::path path_ = dir_ / "x.tar";
};

TEST_F(Tar, GivesInputsWithTheirClasses) {
  const auto source = open(sample("a", 10, "3") + sample("b", 20, "-4\n") + tar_end());
  EXPECT_EQ(source->size(), 2u);
  EXPECT_EQ(source->spec(), (SampleSpec{Shape{2}, DataType::uint16, Shape{}, DataType::int64, {}}));
  EXPECT_EQ(source->name(), path_.string());
  expect_sample(*source, 1, 20, -4);
  expect_sample(*source, 0, 10, 3);
  EXPECT_THROW(read_sample(*source, 2), Error);
}

TEST_F(Tar, WithoutClassesHasNoLabels) {
  const auto source = open(tar_member("a.npy", two(1)) + tar_end());
  EXPECT_EQ(source->spec(),
            (SampleSpec{Shape{2}, DataType::uint16, Shape{0}, DataType::uint8, {}}));
  EXPECT_EQ(input_of<std::uint16_t>(*source, 0), (std::vector<std::uint16_t>{1, 2}));
}

TEST_F(Tar, IsKnownByItsContent) {
  write_file(dir_ / "data", sample("a", 10, "3") + tar_end());
  EXPECT_EQ(open_source(dir_ / "data")->size(), 1u);
  // The oldest dialect has no magic, but the checksum.
  std::string old = tar_header("a.npy", two(1).size());
  old.replace(257, 8, 8, '\0');
  sign_tar_header(old);
  std::string member = tar_member("a.npy", two(1));
  write_file(dir_ / "old", member.replace(0, 512, old) + tar_end());
  EXPECT_EQ(open_source(dir_ / "old")->size(), 1u);
}

TEST_F(Tar, PutsPartsTogetherWhereverTheyLie) {
  const auto source =
      open(tar_member("d/a.cls", "1") + tar_member("d/b.npy", two(20)) + tar_member("d/", "", '5') +
           tar_member("d/a.NPY", two(10)) + tar_member("d/b.cls", "2") + tar_end());
  EXPECT_EQ(source->size(), 2u);
  expect_sample(*source, 0, 10, 1);
  expect_sample(*source, 1, 20, 2);
}

TEST_F(Tar, LeavesOtherFilesAlone) {
  const auto source =
      open(tar_member("README.md", "text") + tar_member("a.json", "{}") + sample("a", 10, "3") +
           tar_member("a.seg.npy", "no array") + tar_member(".a.npy", "no array") +
           tar_member("__b.npy__", "no array") + tar_member("none", "") + tar_end());
  EXPECT_EQ(source->size(), 1u);
  expect_sample(*source, 0, 10, 3);
}

TEST_F(Tar, TakesArraysOfAnyRankAndOrder) {
  const std::vector<std::int32_t> numbers{1, 2};
  const auto big =
      open(tar_member("a.npy", npy_file(npy_dictionary(">i4", {1, 2}), reversed_bytes(numbers))) +
           tar_end());
  EXPECT_EQ(big->spec().input_shape, (Shape{1, 2}));
  EXPECT_EQ(input_of<std::int32_t>(*big, 0), numbers);
  const auto scalar =
      open(tar_member("a.npy", npy_file(npy_dictionary("|u1", Shape{}), "x")) + tar_end());
  EXPECT_EQ(scalar->spec().input_shape, Shape{});
  EXPECT_EQ(bytes_of(read_sample(*scalar, 0).input), "x");
}

TEST_F(Tar, FoldersAreShardsInTheOrderOfTheirNames) {
  const TempDir folder;
  write_file(folder / "s-1.tar", sample("a", 30, "3") + tar_end());
  write_file(folder / "s-0.tar", sample("a", 10, "1") + sample("b", 20, "2") + tar_end());
  write_file(folder / "notes.txt", "no shard");
  const auto source = open_source(folder.path());
  EXPECT_EQ(source->size(), 3u);
  EXPECT_EQ(source->name(), folder.path().string());
  for (int i = 0; i < 3; ++i) {
    expect_sample(*source, static_cast<std::size_t>(i), 10 * (i + 1), i + 1);
  }
  // What differs is told with the key in either shard.
  write_file(folder / "s-2.tar", tar_member("c.npy", two(1)) + tar_end());
  expect_error([&] { open_source(folder.path()); },
               ErrorCode::corrupt_data,
               {"s-2.tar", "\"c\" has no label", "sample \"a\" has one"});
  expect_error([&] { open_source(folder.path(), {.split = "train"}); },
               ErrorCode::invalid_argument,
               {"\"train\""});
}

TEST_F(Tar, IsReadFromManyThreads) {
  std::string archive;
  for (int i = 0; i < 200; ++i) {
    archive += sample("k" + std::to_string(i), static_cast<std::uint16_t>(i), std::to_string(-i));
  }
  const auto source = open(archive + tar_end());
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int step = 0; step < 1000; ++step) {
        const int i = (step * 7 + thread * 31) % 200;
        expect_sample(*source, static_cast<std::size_t>(i), i, -i);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(Tar, SaysThatAShardWasShortened) {
  const auto source = open(sample("a", 10, "3") + tar_end());
  const auto* files = dynamic_cast<const sources::FileBacked*>(source.get());
  ASSERT_NE(files, nullptr);
  EXPECT_NO_THROW(files->check_files());
  std::filesystem::resize_file(path_, 600);
  expect_error([&] { files->check_files(); }, ErrorCode::io, {path_.string()});
}

TEST_F(Tar, NamesAreTakenApartAsWebDatasetDoes) {
  const auto expect = [](std::string_view path, std::string_view key, std::string_view extension) {
    const auto name = sources::split_member_name(path);
    ASSERT_TRUE(name.has_value()) << path;
    EXPECT_EQ(name->key, key);
    EXPECT_EQ(name->extension, extension);
  };
  expect("a.npy", "a", "npy");
  expect("./v1.2/a.b.NPY", "./v1.2/a", "b.npy");
  expect("a/b.", "a/b", "");
  expect("a/__b__.cls", "a/__b__", "cls");
  for (const char* path : {"", "a", "v1.2/a", ".npy", "a/.npy", "a/", "__x.y__"}) {
    EXPECT_FALSE(sources::split_member_name(path)) << path;
  }
}

/// An archive of libarchive's own writing, with names longer than the plain header has room for.
std::string written_archive(int (*set_format)(archive*), const std::string& folder) {
  std::string content(std::size_t{1} << 20, '\0');
  std::size_t used = 0;
  archive* const writer = archive_write_new();
  EXPECT_EQ(set_format(writer), ARCHIVE_OK);
  archive_write_add_filter_none(writer);
  archive_write_open_memory(writer, content.data(), content.size(), &used);
  const auto add = [&](const std::string& name, const std::string& text) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 1'700'000'000, 123'456'789);
    EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
    EXPECT_EQ(archive_write_data(writer, text.data(), text.size()), la_ssize_t(text.size()));
    archive_entry_free(entry);
  };
  add(folder + "a.npy", two(10));
  add(folder + "a.cls", "1");
  add(folder + "empty.txt", "");
  add(folder + "b.npy", two(20));
  add(folder + "b.cls", "2");
  archive_write_free(writer);
  content.resize(used);
  return content;
}

TEST_F(Tar, EveryDialectIsRead) {
  const std::string longer = std::string(140, 'd') + "/" + std::string(120, 'e') + "/";
  const std::vector<std::pair<std::string, std::string>> archives{
      {"v7", written_archive(archive_write_set_format_v7tar, "d/")},
      {"ustar", written_archive(archive_write_set_format_ustar, std::string(140, 'd') + "/")},
      {"gnutar", written_archive(archive_write_set_format_gnutar, longer)},
      {"pax", written_archive(archive_write_set_format_pax, longer)}};
  for (const auto& [dialect, archive] : archives) {
    SCOPED_TRACE(dialect);
    const auto source = open(archive);
    EXPECT_EQ(source->size(), 2u);
    expect_sample(*source, 0, 10, 1);
    expect_sample(*source, 1, 20, 2);
  }
}

TEST_F(Tar, NamesNeedNotBeAscii) {
  const std::string pax = "18 path=\xc3\xa9/\xc3\xa9.npy\n";
  ASSERT_EQ(pax.size(), 18u);
  const auto source = open(tar_member("x", pax, 'x') + tar_member("name", two(10)) +
                           tar_member("\xff\xfe.npy", two(20)) + tar_end());
  EXPECT_EQ(source->size(), 2u);
  EXPECT_EQ(input_of<std::uint16_t>(*source, 1), (std::vector<std::uint16_t>{20, 21}));
}

TEST_F(Tar, OfTheTarProgramIsRead) {
  if (std::system("tar --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "there is no program tar";
  }
  std::filesystem::create_directory(dir_ / "set");
  for (int i = 0; i < 3; ++i) {
    const std::string key = std::string(120, 'k') + std::to_string(i);
    write_file(dir_ / "set/" / (key + ".npy"), two(static_cast<std::uint16_t>(10 * i)));
    write_file(dir_ / "set/" / (key + ".cls"), std::to_string(i));
  }
  for (const char* format : {"gnu", "oldgnu", "pax", "ustar"}) {
    SCOPED_TRACE(format);
    const std::string command = std::string("cd '") + dir_.path().string() +
                                "' && tar --sort=name --format=" + format + " -cf x.tar -C set .";
    std::filesystem::remove(path_);
    if (std::string(format) == "ustar") {
      // Its names have no room for these keys.
      std::filesystem::create_directory(dir_ / "short");
      for (int i = 0; i < 3; ++i) {
        write_file(dir_ / "short/" / (std::to_string(i) + ".npy"),
                   two(static_cast<std::uint16_t>(10 * i)));
        write_file(dir_ / "short/" / (std::to_string(i) + ".cls"), std::to_string(i));
      }
      const std::string other = std::string("cd '") + dir_.path().string() +
                                "' && tar --sort=name --format=ustar -cf x.tar -C short .";
      ASSERT_EQ(std::system(other.c_str()), 0);
    } else {
      ASSERT_EQ(std::system(command.c_str()), 0);
    }
    const auto source = open_source(path_);
    ASSERT_EQ(source->size(), 3u);
    for (int i = 0; i < 3; ++i) {
      expect_sample(*source, static_cast<std::size_t>(i), 10 * i, i);
    }
  }
  // A sparse member's bytes are not all there.
  std::filesystem::resize_file(dir_ / "set" / (std::string(120, 'k') + "1.npy"), 1 << 20);
  const std::string sparse =
      "cd '" + dir_.path().string() + "' && tar -S --sort=name -cf x.tar -C set .";
  std::filesystem::remove(path_);
  ASSERT_EQ(std::system(sparse.c_str()), 0);
  expect_error([&] { open_source(path_); }, kUnsupported, {path_.string(), "is sparse"});
}

}  // namespace
}  // namespace headrace::test
