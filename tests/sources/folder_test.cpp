// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/row_source.h"

namespace headrace::test {
namespace {

constexpr auto kInvalid = ErrorCode::invalid_argument;
constexpr auto kUnsupported = ErrorCode::unsupported;

const std::vector<std::uint8_t> kSix{1, 2, 3, 4, 5, 6};

std::string images(std::uint32_t count, char first) {
  std::string elements;
  for (std::uint32_t i = 0; i < 4 * count; ++i) {
    elements += static_cast<char>(first + static_cast<char>(i));
  }
  return idx_file(0x08, {count, 2, 2}, elements);
}

std::string labels(std::uint32_t count, char first) {
  std::string elements;
  for (std::uint32_t i = 0; i < count; ++i) {
    elements += static_cast<char>(first + static_cast<char>(i));
  }
  return idx_file(0x08, {count}, elements);
}

TEST(NpyFolder, GivesInputsWithScalarLabels) {
  const TempDir dir;
  write_npy(dir / "inputs.npy", {3, 2}, kSix);
  write_npy(dir / "labels.npy", {3}, std::vector<std::int64_t>{7, 8, 9});
  const auto source = open_source(dir.path());
  EXPECT_EQ(source->size(), 3u);
  EXPECT_EQ(source->name(), dir.path().string());
  EXPECT_EQ(source->spec(), (SampleSpec{Shape{2}, DataType::uint8, Shape{}, DataType::int64, {}}));
  EXPECT_EQ(input_of<std::uint8_t>(*source, 1), (std::vector<std::uint8_t>{3, 4}));
  EXPECT_EQ(label_of<std::int64_t>(*source, 1), std::vector<std::int64_t>{8});
  EXPECT_NE(dynamic_cast<const sources::RowSource*>(source.get()), nullptr);
}

TEST(NpyFolder, GivesLabelsOfSeveralElements) {
  const TempDir dir;
  write_npy(dir / "inputs.npy", {2, 3}, kSix);
  write_npy(dir / "labels.npy", {2, 4}, std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
  const auto source = open_source(dir.path());
  EXPECT_EQ(source->spec().label_shape, Shape{4});
  EXPECT_EQ(label_of<float>(*source, 1), (std::vector<float>{4, 5, 6, 7}));
}

TEST(NpyFolder, RefusesUnequalNumbers) {
  const TempDir dir;
  write_npy(dir / "inputs.npy", {3, 2}, kSix);
  write_npy(dir / "labels.npy", {2}, std::vector<std::int64_t>{7, 8});
  expect_error(
      [&] { open_source(dir.path()); },
      kInvalid,
      {(dir / "inputs.npy").string(), "3 samples", (dir / "labels.npy").string(), "hold 2"});
}

TEST(NpyFolder, RefusesHalves) {
  const TempDir inputs;
  write_npy(inputs / "inputs.npy", {3, 2}, kSix);
  expect_error([&] { open_source(inputs.path()); },
               kUnsupported,
               {inputs.path().string(), "no labels.npy", "open the file itself"});
  const TempDir only_labels;
  write_npy(only_labels / "labels.npy", {3, 2}, kSix);
  expect_error([&] { open_source(only_labels.path()); },
               kUnsupported,
               {only_labels.path().string(), "no inputs.npy"});
}

TEST(NpyFolder, RefusesASplit) {
  const TempDir dir;
  write_npy(dir / "inputs.npy", {6}, kSix);
  write_npy(dir / "labels.npy", {6}, kSix);
  expect_error([&] { open_source(dir.path(), {.split = "train"}); },
               kInvalid,
               {"\"train\"", dir.path().string()});
  expect_error([&] { open_source(dir / "inputs.npy", {.split = "train"}); },
               kInvalid,
               {"\"train\"", (dir / "inputs.npy").string()});
}

TEST(NpyFolder, NamesTheBrokenFile) {
  const TempDir dir;
  write_npy(dir / "inputs.npy", {6}, kSix);
  write_file(dir / "labels.npy", "words");
  expect_error([&] { open_source(dir.path()); },
               ErrorCode::corrupt_data,
               {(dir / "labels.npy").string(), "at offset 0,"});
}

TEST(NpyFolder, FollowsLinks) {
  const TempDir data;
  write_npy(data / "i", {6}, kSix);
  const TempDir dir;
  std::filesystem::create_symlink(data / "i", dir / "inputs.npy");
  std::filesystem::create_symlink(data / "i", dir / "labels.npy");
  EXPECT_EQ(open_source(dir.path())->size(), 6u);
}

TEST(IdxFolder, GivesTheOnlyPair) {
  const TempDir dir;
  write_file(dir / "digits-images-idx3-ubyte", images(3, 'a'));
  write_file(dir / "digits-labels-idx1-ubyte", labels(3, 'x'));
  write_file(dir / "README.md", "text");
  for (const std::string split : {"", "digits"}) {
    const auto source = open_source(dir.path(), {.split = split});
    EXPECT_EQ(source->size(), 3u);
    EXPECT_EQ(source->spec(), (SampleSpec{{2, 2}, DataType::uint8, Shape{}, DataType::uint8, {}}));
    EXPECT_EQ(input_of<char>(*source, 1), (std::vector<char>{'e', 'f', 'g', 'h'}));
    EXPECT_EQ(label_of<char>(*source, 2), std::vector<char>{'z'});
    EXPECT_EQ(source->name(), dir.path().string() + (split.empty() ? "" : " (digits)"));
  }
}

class TwoSplits : public testing::Test {
 protected:
  TwoSplits() {
    write_file(dir_ / "train-images-idx3-ubyte", images(3, 'a'));
    write_file(dir_ / "train-labels-idx1-ubyte", labels(3, 'a'));
    write_file(dir_ / "t10k-images.idx3-ubyte", images(2, 'k'));
    write_file(dir_ / "t10k-labels.idx1-ubyte", labels(2, 'k'));
  }
  TempDir dir_;
};

TEST_F(TwoSplits, SplitChooses) {
  EXPECT_EQ(open_source(dir_.path(), {.split = "train"})->size(), 3u);
  const auto test_set = open_source(dir_.path(), {.split = "t10k"});
  EXPECT_EQ(test_set->size(), 2u);
  EXPECT_EQ(label_of<char>(*test_set, 0), std::vector<char>{'k'});
  expect_error([&] { open_source(dir_.path()); }, kInvalid, {dir_.path().string(), "t10k, train"});
  expect_error([&] { open_source(dir_.path(), {.split = "test"}); },
               kInvalid,
               {dir_.path().string(), "\"test\"", "t10k, train"});
}

TEST_F(TwoSplits, HalvesAreLeftOutUnlessAskedFor) {
  std::filesystem::remove(dir_ / "t10k-labels.idx1-ubyte");
  EXPECT_EQ(open_source(dir_.path())->size(), 3u);
  expect_error([&] { open_source(dir_.path(), {.split = "t10k"}); },
               kUnsupported,
               {dir_.path().string(), "'t10k-images.idx3-ubyte'", "no 't10k-labels-idx*'"});
  std::filesystem::remove(dir_ / "train-images-idx3-ubyte");
  expect_error(
      [&] { open_source(dir_.path()); }, kUnsupported, {"has 't10k-images.idx3-ubyte' but"});
}

TEST_F(TwoSplits, PackedFilesCountOnlyWhereUnpackedAreMissing) {
  const std::string packed = "\x1f\x8b\x08 packed";
  write_file(dir_ / "train-images-idx3-ubyte.gz", packed);
  write_file(dir_ / "train-labels-idx1-ubyte.gz", packed);
  EXPECT_EQ(open_source(dir_.path(), {.split = "train"})->size(), 3u);
  std::filesystem::remove(dir_ / "train-labels-idx1-ubyte");
  expect_error([&] { open_source(dir_.path(), {.split = "train"}); },
               kUnsupported,
               {"gunzip '" + (dir_ / "train-labels-idx1-ubyte.gz").string() + "'"});
}

TEST_F(TwoSplits, SeveralFilesForOnePlaceAreRefused) {
  write_file(dir_ / "train-images-idx3-float", images(3, 'a'));
  expect_error([&] { open_source(dir_.path(), {.split = "train"}); },
               kInvalid,
               {"train-images-idx3-float, train-images-idx3-ubyte"});
}

TEST_F(TwoSplits, RefusesUnequalNumbers) {
  write_file(dir_ / "train-labels-idx1-ubyte", labels(4, 'a'));
  expect_error([&] { open_source(dir_.path(), {.split = "train"}); },
               kInvalid,
               {(dir_ / "train-images-idx3-ubyte").string(),
                "3 samples",
                (dir_ / "train-labels-idx1-ubyte").string(),
                "hold 4"});
}

TEST(IdxFolder, SwapsOnlyThePartOfSeveralBytes) {
  const TempDir dir;
  write_file(dir / "a-images-idx2-float",
             idx_file(0x0D, {2, 1}, reversed_bytes<float>({1.5F, 2.5F})));
  write_file(dir / "a-labels-idx1-ubyte", labels(2, 'a'));
  write_file(dir / "b-images-idx3-ubyte", images(2, 'a'));
  write_file(dir / "b-labels-idx2-int",
             idx_file(0x0C, {2, 2}, reversed_bytes<std::int32_t>({1, 2, 3, 4})));
  const auto floats = open_source(dir.path(), {.split = "a"});
  EXPECT_EQ(input_of<float>(*floats, 1), std::vector<float>{2.5F});
  EXPECT_EQ(label_of<char>(*floats, 1), std::vector<char>{'b'});
  const auto pairs = open_source(dir.path(), {.split = "b"});
  EXPECT_EQ(input_of<char>(*pairs, 1), (std::vector<char>{'e', 'f', 'g', 'h'}));
  EXPECT_EQ(label_of<std::int32_t>(*pairs, 1), (std::vector<std::int32_t>{3, 4}));
  EXPECT_EQ(dynamic_cast<const sources::RowSource*>(floats.get()), nullptr);
  EXPECT_EQ(dynamic_cast<const sources::RowSource*>(pairs.get()), nullptr);
}

TEST(Folder, WithoutDataIsRefused) {
  const TempDir dir;
  expect_error([&] { open_source(dir.path()); },
               kUnsupported,
               {dir.path().string(), "is empty", "inputs.npy", "*-images-idx*"});
  write_file(dir / "notes.txt", "text");
  std::filesystem::create_directory(dir / "x-images-idx3-ubyte");
  expect_error([&] { open_source(dir.path()); },
               kUnsupported,
               {dir.path().string(), "holds no data set", "inputs.npy", "*-images-idx*"});
}

TEST(File, OfNoFormatSaysWhatWasLookedFor) {
  const TempDir dir;
  write_file(dir / "notes.txt", "text");
  expect_refused(dir / "notes.txt", kUnsupported, 0, "looked for NumPy .npy, IDX, ");
  write_file(dir / "empty.bin", "");
  expect_refused(dir / "empty.bin", kUnsupported, 0, "is empty");
  write_file(dir / "zeros.bin", std::string(100, '\0'));
  expect_refused(dir / "zeros.bin", kUnsupported, 0, "looked for");
  write_file(dir / "packed.bin", "\x1f\x8b\x08 packed");
  expect_refused(dir / "packed.bin", kUnsupported, 0, "gunzip");
}

TEST(File, WhoseNameClaimsAFormatMustHaveIt) {
  const TempDir dir;
  for (const std::string name : {"a-idx3-ubyte", "a.idx1-ubyte", "a.idx", "a.npy"}) {
    write_file(dir / name, "text");
    expect_refused(dir / name, ErrorCode::corrupt_data, 0, "");
  }
  for (const std::string name : {"a.idxs", "midx3", "npy", "idx3"}) {
    write_file(dir / name, "text");
    expect_refused(dir / name, kUnsupported, 0, "looked for");
  }
}

}  // namespace
}  // namespace headrace::test
