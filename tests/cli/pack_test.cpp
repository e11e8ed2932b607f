// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/source.h"

#include "packing.h"
#include "stream_report.h"
#include "support/npy_writer.h"

#include <array>
#include <cstdlib>

namespace headrace::test {
namespace {

using testing::HasSubstr;

std::vector<std::byte> input_of(const SampleSource& source, std::uint64_t index) {
  const SampleSpec spec = source.spec();
  std::vector<std::byte> input(static_cast<std::size_t>(spec.input_shape.element_count()) *
                               size_of(spec.input_dtype));
  std::vector<std::byte> label(static_cast<std::size_t>(spec.label_shape.element_count()) *
                               size_of(spec.label_dtype));
  SampleView view{input, label, {}};
  source.read({.index = index}, view);
  if (!label.empty()) {  // By value: shards widen it.
    input.push_back(label.front());
  }
  return input;
}

/// Expects that the samples of the two are the same, labels below 256 by value.
void expect_same_samples(const std::filesystem::path& one, const std::filesystem::path& other) {
  const auto a = open_source(one);
  const auto b = open_source(other);
  ASSERT_EQ(a->size(), b->size());
  EXPECT_EQ(a->spec().input_shape, b->spec().input_shape);
  EXPECT_EQ(a->spec().input_dtype, b->spec().input_dtype);
  for (std::uint64_t i = 0; i < a->size(); ++i) {
    ASSERT_EQ(input_of(*a, i), input_of(*b, i)) << "sample " << i;
  }
}

void expect_verified(const std::filesystem::path& path, int samples) {
  const Json json = stream(path.string(), {"--shuffle", "--verify"});
  EXPECT_EQ(json["verified"]["samples"], samples);
  EXPECT_EQ(json["verified"]["mismatches"], 0);
  EXPECT_EQ(json["verified"]["missing"], 0);
}

TEST(Pack, IntoOneShardAndBackIntoArrays) {
  const TempDir folder;
  const Json json = pack({digits(), folder / "digits.tar"});
  EXPECT_EQ(json["format"], "tar");
  EXPECT_EQ(json["samples"], 1797);
  EXPECT_EQ(json["files"], 1);
  EXPECT_EQ(json["bytes"], std::filesystem::file_size(folder / "digits.tar"));
  expect_same_samples(digits(), folder / "digits.tar");
  expect_verified(folder / "digits.tar", 1797);

  const Json back = pack({folder / "digits.tar", folder / "arrays"});
  EXPECT_EQ(back["format"], "npy");
  EXPECT_EQ(back["files"], 2);
  EXPECT_EQ(names_in(folder / "arrays"), (std::set<std::string>{"inputs.npy", "labels.npy"}));
  expect_same_samples(digits(), folder / "arrays");
  expect_verified(folder / "arrays", 1797);
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"arrays", "digits.tar"}));
}

TEST(Pack, IntoShardsOfASize) {
  const TempDir folder;
  const Json json = pack({digits(), folder / "set.tar", "--shard-size", "1000000"});
  const std::set<std::string> names = names_in(folder.path());
  EXPECT_EQ(json["files"], names.size());
  EXPECT_GT(names.size(), 3u);
  for (const std::string& name : names) {
    EXPECT_TRUE(name.starts_with("set-00000") && name.ends_with(".tar")) << name;
    EXPECT_LE(std::filesystem::file_size(folder / name), 1000000u);
  }
  expect_same_samples(digits(), folder.path());
  expect_verified(folder.path(), 1797);

  // Fewer and larger ones take the place of all of these.
  expect_failure({digits(), folder / "set", "--shard-size", "2000000"}, "set-000000.tar' is there");
  const Json fewer = pack({digits(), folder / "set", "--shard-size", "2000000", "--force"});
  EXPECT_EQ(fewer["files"], names_in(folder.path()).size());
  EXPECT_LT(fewer["files"], names.size());
  expect_same_samples(digits(), folder.path());
}

TEST(Pack, AShardHasOneSampleAtLeast) {
  const TempDir folder;
  write_npy(folder / "a.npy", {3, 2}, std::array<float, 6>{1, 2, 3, 4, 5, 6});
  std::filesystem::create_directory(folder / "out");
  EXPECT_EQ(pack({folder / "a.npy", folder / "out/s", "--shard-size", "1"})["files"], 3);
  expect_same_samples(folder / "a.npy", folder / "out");
}

TEST(Pack, WithoutLabelsIntoOneArray) {
  const TempDir folder;
  write_npy(folder / "a.npy", {3, 2}, std::array<std::uint16_t, 6>{1, 2, 3, 4, 5, 6});
  pack({folder / "a.npy", folder / "b.npy"});
  EXPECT_EQ(content_of(folder / "a.npy"), content_of(folder / "b.npy"));
  write_npy(folder / "a.npy", {0}, std::vector<double>{});
  pack({folder / "a.npy", folder / "b.npy", "--force"});
  EXPECT_EQ(content_of(folder / "a.npy"), content_of(folder / "b.npy"));
  expect_failure({folder / "a.npy", folder / "c.tar"}, "has no samples");
}

TEST(Pack, IsTheSameEveryTime) {
  const TempDir folder;
  pack({digits(), folder / "a.tar"});
  pack({digits(), folder / "b.tar"});
  EXPECT_EQ(content_of(folder / "a.tar"), content_of(folder / "b.tar"));
}

TEST(Pack, OfTheTarProgramsLiking) {
  if (std::system("tar --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "there is no program tar";
  }
  const TempDir folder;
  pack({digits(), folder / "a.tar"});
  const std::string command = "cd '" + folder.path().string() +
                              "' && mkdir out && tar -xf a.tar -C out 2>err && test ! -s err";
  ASSERT_EQ(std::system(command.c_str()), 0) << content_of(folder / "err");
  EXPECT_EQ(names_in(folder / "out").size(), 2u * 1797);
  EXPECT_EQ(open_source(folder / "out/000000000.npy")->size(), 8u);
}

TEST(Pack, RawRecords) {
  const TempDir folder;
  write_file(folder / "raw", "ab1cd2");
  pack({folder / "raw", folder / "out", "--raw", "uint8[2]+uint8"});
  EXPECT_THAT(content_of(folder / "out/labels.npy"), testing::EndsWith("12"));
  EXPECT_THAT(content_of(folder / "out/inputs.npy"), testing::EndsWith("abcd"));
}

TEST(Pack, ReplacesNothingUnasked) {
  const TempDir folder;
  for (const char* name : {"x.tar", "x.npy", "x"}) {
    write_file(folder / name, "precious");
  }
  expect_failure({digits(), folder / "x.tar"}, "--force replaces it");
  expect_failure({digits(), folder / "x"}, "'" + (folder / "x").string() + "' is no folder");
  expect_failure({digits(), folder / "x", "--force"}, "is no folder");
  write_npy(folder / "a.npy", {1}, std::array<float, 1>{1});
  expect_failure({folder / "a.npy", folder / "x.npy"}, "--force replaces it");
  std::filesystem::create_directory(folder / "d.tar");
  std::filesystem::create_directory(folder / "d.npy");
  expect_failure({digits(), folder / "d.tar", "--force"}, "is no file");
  expect_failure({folder / "a.npy", folder / "d.npy", "--force"}, "is a folder");
  for (const char* name : {"x.tar", "x.npy", "x"}) {
    EXPECT_EQ(content_of(folder / name), "precious");
  }
  pack({digits(), folder / "x.tar", "--force"});
  expect_same_samples(digits(), folder / "x.tar");
}

TEST(Pack, ReplacesAFolderOfItsOwnKindAlone) {
  const TempDir folder;
  const std::filesystem::path out = folder / "out";
  pack({digits(), out});
  expect_failure({digits(), out}, "--force replaces it");
  write_npy(out / "inputs.npy", {1, 2}, std::array<float, 2>{1, 2});
  pack({digits(), out, "--force"});
  expect_same_samples(digits(), out);
  write_file(out / "diary.txt", "precious");
  expect_failure({digits(), out, "--force"}, "holds 'diary.txt'");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"out"});
  // Onto itself.
  std::filesystem::remove(out / "diary.txt");
  pack({out, out, "--force"});
  expect_same_samples(digits(), out);
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"out"});
}

TEST(Pack, SaysWhatHasNoPlace) {
  const TempDir folder;
  expect_failure({digits(), folder / "x.npy"}, "has labels");
  write_npy(folder / "a.npy", {1, 2}, std::array<float, 2>{1, 2});
  expect_failure({folder / "a.npy", folder / "x"}, "has no labels; name a file");
  std::filesystem::create_directory(folder / "set");
  write_npy(folder / "set/inputs.npy", {1}, std::array<float, 1>{1});
  write_npy(folder / "set/labels.npy", {1, 1}, std::array<std::int64_t, 1>{1});
  expect_failure({folder / "set", folder / "x.tar"}, "are int64 [1], and .cls files hold one");
  write_npy(folder / "set/labels.npy", {1}, std::array<float, 1>{1});
  expect_failure({folder / "set", folder / "x.tar"}, "pack to .npy");
  write_npy(folder / "set/labels.npy", {1}, std::array<std::uint64_t, 1>{UINT64_MAX});
  expect_failure({folder / "set", folder / "x.tar"}, "18446744073709551615 is too large");
  write_file(folder / "raw", "abcd");
  expect_failure({folder / "raw", folder / "x.npy", "--raw", "bfloat16"}, "element type bfloat16");
  expect_failure({digits(), folder / "none/x.tar"}, "No such file");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"a.npy", "raw", "set"}));
}

TEST(Pack, BadUsage) {
  expect_failure({}, "SOURCE is missing", 2);
  expect_failure({digits()}, "TARGET is missing", 2);
  expect_failure({digits(), "/tmp/x", "--shard-size", "0"}, "--shard-size", 2);
  expect_failure({digits(), "/tmp/x", "--shard-size", "1MB"}, "--shard-size", 2);
  expect_failure({digits(), "/tmp/x", "--checkpoint", "0"}, "--checkpoint", 2);
  const Finished help = run_program({"pack", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part : {"SOURCE",
                           "TARGET",
                           "--shard-size",
                           "--force",
                           "--resume",
                           "--checkpoint",
                           "--raw",
                           "--json"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
}

TEST(Pack, TheReportIsNotWrittenOverWhatWasPacked) {
  const TempDir folder;
  const std::string target = folder / "x.tar";
  expect_failure({digits(), target, "--json", target}, "name the same file", 2);
  expect_failure(
      {digits(), folder / "y", "--shard-size", "50000", "--json", folder / "y-000001.tar"},
      "name the same file",
      2);
  EXPECT_TRUE(names_in(folder.path()).empty());
  pack({digits(), folder / "y", "--shard-size", "50000"});
  EXPECT_EQ(run_program({"pack", digits(), target, "--json", folder / "y.json"}).exit_code, 0);
}

TEST(Pack, ATargetMayEndInASlash) {
  const TempDir folder;
  pack({digits(), (folder / "out").string() + "/"});
  pack({digits(), (folder / "out").string() + "/", "--force"});
  expect_same_samples(digits(), folder / "out");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"out"});
  for (const char* name : {".", "..", "/", "a/.."}) {
    expect_failure({digits(), name, "--force"}, "is no name of a new file or folder", 2);
  }
}

TEST(Pack, ALinksPlaceIsWhereItLeads) {
  const TempDir folder;
  std::filesystem::create_directory(folder / "disk");
  pack({digits(), folder / "disk/out"});
  write_npy(folder / "disk/out/inputs.npy", {1, 2}, std::array<float, 2>{1, 2});
  std::filesystem::create_symlink(folder / "disk/out", folder / "link");
  pack({digits(), folder / "link", "--force"});
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  expect_same_samples(digits(), folder / "disk/out");
  std::filesystem::create_symlink(folder / "nowhere", folder / "lost");
  expect_failure({digits(), folder / "lost"}, "is a link: No such file");
}

TEST(Pack, AFailureHalfwayLeavesNothing) {
  const TempDir folder;
  std::filesystem::create_directory(folder / "set");
  write_npy(folder / "set/inputs.npy", {2}, std::array<float, 2>{1, 2});
  write_npy(folder / "set/labels.npy", {2}, std::array<std::uint64_t, 2>{1, UINT64_MAX});
  write_file(folder / "x.tar", "precious");
  expect_failure({folder / "set", folder / "x.tar", "--force"}, "is too large");
  expect_failure({folder / "set", folder / "x", "--shard-size", "1"}, "is too large");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"set", "x.tar"}));
  EXPECT_EQ(content_of(folder / "x.tar"), "precious");
}

}  // namespace
}  // namespace headrace::test
