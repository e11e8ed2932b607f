// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/file_backed.h"
#include "sources/row_source.h"

namespace headrace::test {
namespace {

const SampleSpec kLabelled{.input_shape = {2},
                           .input_dtype = DataType::uint16,
                           .label_shape = {},
                           .label_dtype = DataType::uint8,
                           .fields = {}};

class Raw : public testing::Test {
 protected:
  std::shared_ptr<SampleSource> open(std::string_view content, const SampleSpec& spec) {
    write_file(path_, content);
    return open_source(path_, {.split = {}, .raw = spec});
  }
  void expect_invalid(const SampleSpec& spec, const std::string& part) {
    expect_error([&] { open("abcd", spec); }, ErrorCode::invalid_argument, {part});
  }

  TempDir dir_;
  std::filesystem::path path_ = dir_ / "records";
};

TEST_F(Raw, HasTheLabelBehindEachInput) {
  const auto source = open("abcd1efgh2ijkl3", kLabelled);
  EXPECT_EQ(source->size(), 3u);
  EXPECT_EQ(source->spec(), kLabelled);
  EXPECT_EQ(source->name(), path_.string());
  EXPECT_EQ(bytes_of(read_sample(*source, 1).input), "efgh");
  EXPECT_EQ(bytes_of(read_sample(*source, 1).label), "2");
  EXPECT_EQ(bytes_of(read_sample(*source, 2).input), "ijkl");
  EXPECT_EQ(bytes_of(read_sample(*source, 2).label), "3");
  EXPECT_THROW(read_sample(*source, 3), Error);
}

TEST_F(Raw, WithoutLabelsIsPlainRows) {
  SampleSpec spec = kLabelled;
  spec.label_shape = Shape{0};
  const auto source = open("abcdefgh", spec);
  EXPECT_EQ(source->size(), 2u);
  EXPECT_EQ(bytes_of(read_sample(*source, 1).input), "efgh");
  EXPECT_NE(dynamic_cast<const sources::RowSource*>(source.get()), nullptr);
}

TEST_F(Raw, LooksAtNoContent) {
  // An IDX file.
  const auto source = open(idx_file(0x08, {2}, "ab"), kLabelled);
  EXPECT_EQ(source->size(), 2u);
  EXPECT_EQ(open("", kLabelled)->size(), 0u);
}

TEST_F(Raw, RefusesARestOfARecord) {
  for (std::size_t rest = 1; rest < 5; ++rest) {
    expect_error([&] { open(std::string(10 + rest, 'x'), kLabelled); },
                 ErrorCode::corrupt_data,
                 {"'" + path_.string() + "'",
                  "at offset 10, " + std::to_string(rest) + " bytes are left, and a record has 5"});
  }
}

TEST_F(Raw, RefusesSpecs) {
  SampleSpec spec = kLabelled;
  spec.fields.push_back({.name = "x", .shape = {}, .dtype = DataType::uint8});
  expect_invalid(spec, "the spec has 1 fields");
  spec = kLabelled;
  spec.input_shape = Shape{2, 0};
  expect_invalid(spec, "no elements");
  spec.input_shape = Shape{std::int64_t{1} << 62};
  spec.input_dtype = DataType::float64;
  expect_invalid(spec, "more than memory can hold");
  spec.input_shape = Shape{INT64_MAX};
  spec.input_dtype = DataType::uint16;
  spec.label_shape = Shape{2};
  expect_invalid(spec, "more than memory can hold");
  expect_error([&] { open_source(path_, {.split = "train", .raw = kLabelled}); },
               ErrorCode::invalid_argument,
               {"\"train\"", path_.string()});
  expect_error([&] { open_source(dir_.path(), {.split = {}, .raw = kLabelled}); },
               ErrorCode::unsupported,
               {"a folder"});
  expect_error([&] { open_source(dir_ / "none", {.split = {}, .raw = kLabelled}); },
               ErrorCode::io,
               {"No such file"});
}

TEST_F(Raw, SaysThatItsFileWasShortened) {
  const auto source = open("abcd1efgh2", kLabelled);
  const auto* files = dynamic_cast<const sources::FileBacked*>(source.get());
  ASSERT_NE(files, nullptr);
  EXPECT_NO_THROW(files->check_files());
  std::filesystem::resize_file(path_, 3);
  expect_error([&] { files->check_files(); }, ErrorCode::io, {path_.string(), "has 3"});
}

}  // namespace
}  // namespace headrace::test
