// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/row_source.h"

#include <array>
#include <limits>

namespace headrace::test {
namespace {

template <class T>
class NpyType : public testing::Test {};

using Types = testing::Types<bool,
                             std::int8_t,
                             std::int16_t,
                             std::int32_t,
                             std::int64_t,
                             std::uint8_t,
                             std::uint16_t,
                             std::uint32_t,
                             std::uint64_t,
                             float16,
                             float,
                             double>;
TYPED_TEST_SUITE(NpyType, Types);

TYPED_TEST(NpyType, EveryVersionGivesShapeTypeAndBytesBack) {
  const TempDir dir;
  constexpr DataType kDtype = data_type_of<TypeParam>;
  std::array<TypeParam, 24> elements{};
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::string bytes(sizeof(TypeParam),
                            static_cast<char>(kDtype == DataType::boolean ? i % 2 : 37 * i + 5));
    std::memcpy(&elements[i], bytes.data(), bytes.size());
  }
  for (const int version : {1, 2, 3}) {
    const auto path = dir / "a.npy";
    write_file(path,
               npy_file(npy_dictionary(npy_descr(kDtype), {4, 2, 3}), bytes_of(elements), version));
    const auto source = open_source(path);
    EXPECT_EQ(source->size(), 4u);
    EXPECT_EQ(source->name(), path.string());
    EXPECT_EQ(source->spec(), (SampleSpec{{2, 3}, kDtype, Shape{0}, DataType::uint8, {}}));
    for (std::size_t i = 0; i < 4; ++i) {
      const auto row = std::span(elements).subspan(i * 6, 6);
      const Sample sample = read_sample(*source, i);
      EXPECT_EQ(std::memcmp(sample.input.data(), row.data(), row.size_bytes()), 0) << i;
    }
  }
}

TYPED_TEST(NpyType, TheHighestByteMayComeFirst) {
  const TempDir dir;
  constexpr DataType kDtype = data_type_of<TypeParam>;
  std::array<TypeParam, 6> elements{};
  std::string reversed;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    std::string bytes(sizeof(TypeParam), '\0');
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      bytes[at] = static_cast<char>(kDtype == DataType::boolean ? i % 2 : 16 * i + at + 1);
    }
    std::memcpy(&elements[i], bytes.data(), bytes.size());
    reversed.append(bytes.rbegin(), bytes.rend());
  }
  const std::string descr = ">" + npy_descr(kDtype).substr(1);
  write_file(dir / "inputs.npy", npy_file(npy_dictionary(descr, {3, 2}), reversed));
  write_npy(dir / "labels.npy", {3}, std::vector<std::int32_t>{7, 8, 9});
  const auto source = open_source(dir.path());
  EXPECT_EQ(source->spec(), (SampleSpec{{2}, kDtype, {}, DataType::int32, {}}));
  for (std::size_t i = 0; i < 3; ++i) {
    const Sample sample = read_sample(*source, i);
    EXPECT_EQ(std::memcmp(sample.input.data(), &elements[2 * i], 2 * sizeof(TypeParam)), 0) << i;
    EXPECT_EQ(std::to_integer<int>(sample.label.at(0)), static_cast<int>(7 + i));
  }
}

std::string spaces(std::size_t count) {
  return std::string(count, ' ');
}

TEST(Npy, ReadsFilesThatNumPyWrote) {
  using namespace std::string_literals;
  const TempDir dir;
  // numpy.save of arange(6, dtype="f4").reshape(3, 2), and write_array of versions 2.0 and 3.0.
  write_file(
      dir / "f4.npy",
      "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"s +
          spaces(58) +
          "\n\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@\x00\x00\xa0@"s);
  write_file(dir / "i2.npy",
             "\x93NUMPY\x02\x00t\x00\x00\x00{'descr': '<i2', 'fortran_order': False, 'shape': "
             "(2,), }"s +
                 spaces(58) + "\n\x00\x00\x01\x00"s);
  write_file(dir / "f8.npy",
             "\x93NUMPY\x03\x00t\x00\x00\x00{'descr': '<f8', 'fortran_order': False, 'shape': "
             "(2,), }"s +
                 spaces(58) + "\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0?"s);
  EXPECT_EQ(input_of<float>(*open_source(dir / "f4.npy"), 2), (std::vector<float>{4, 5}));
  EXPECT_EQ(input_of<std::int16_t>(*open_source(dir / "i2.npy"), 1), std::vector<std::int16_t>{1});
  EXPECT_EQ(input_of<double>(*open_source(dir / "f8.npy"), 1), std::vector<double>{1.0});
}

TEST(Npy, HeaderMayBeSpacedAndOrderedFreely) {
  const TempDir dir;
  const std::vector<std::uint8_t> elements{1, 2, 3, 4, 5, 6};
  for (const std::string dictionary : {
           "{'shape':(3,2),'fortran_order':False,'descr':'|u1'}",
           "  {\t\"descr\" : \"|u1\" ,\n 'shape' : ( 3 , 2 , ) , 'fortran_order' : False , }  \n ",
           "{'descr': '<u1', 'fortran_order': False, 'shape': (3L, 2L), }",
           "{'descr': '>u1', 'fortran_order': False, 'shape': (3, 2)}",
           "{'descr': 'u1', 'fortran_order': False, 'shape': (03, 2)}",
       }) {
    const auto path = dir / "a.npy";
    write_file(path, npy_file(dictionary, bytes_of(elements)));
    const auto source = open_source(path);
    ASSERT_EQ(source->size(), 3u) << dictionary;
    EXPECT_EQ(input_of<std::uint8_t>(*source, 2), (std::vector<std::uint8_t>{5, 6})) << dictionary;
  }
}

TEST(Npy, HeaderNeedsNoPadding) {
  const TempDir dir;
  const std::string dictionary = "{'descr':'|u1','fortran_order':False,'shape':(1,)}";
  std::string file = "\x93NUMPY";
  file += {'\1', '\0', static_cast<char>(dictionary.size()), '\0'};
  write_file(dir / "a.npy", file + dictionary + "x");
  EXPECT_EQ(input_of<char>(*open_source(dir / "a.npy"), 0), std::vector<char>{'x'});
}

TEST(Npy, ContentCountsNotTheName) {
  const TempDir dir;
  write_npy(dir / "foo.bin", {2}, std::vector<std::int32_t>{7, 8});
  EXPECT_EQ(input_of<std::int32_t>(*open_source(dir / "foo.bin"), 1), std::vector<std::int32_t>{8});
}

TEST(Npy, RankOneHasScalarSamples) {
  const TempDir dir;
  write_npy(dir / "a.npy", {5}, std::vector<double>{0, 1, 2, 3, 4});
  const auto source = open_source(dir / "a.npy");
  EXPECT_EQ(source->spec().input_shape, Shape{});
  EXPECT_EQ(input_of<double>(*source, 3), std::vector<double>{3});
}

TEST(Npy, EightDimensionsAreServed) {
  const TempDir dir;
  write_npy(dir / "a.npy", {2, 1, 1, 1, 2, 1, 1, 1}, std::vector<std::uint8_t>{1, 2, 3, 4});
  const auto source = open_source(dir / "a.npy");
  EXPECT_EQ(source->spec().input_shape, (Shape{1, 1, 1, 2, 1, 1, 1}));
  EXPECT_EQ(input_of<std::uint8_t>(*source, 1), (std::vector<std::uint8_t>{3, 4}));
}

TEST(Npy, NoSamplesIsNoError) {
  const TempDir dir;
  write_npy(dir / "a.npy", {0, 4}, std::vector<float>{});
  const auto source = open_source(dir / "a.npy");
  EXPECT_EQ(source->size(), 0u);
  EXPECT_EQ(source->spec().input_shape, Shape{4});
  expect_error([&] { read_sample(*source, 0); }, ErrorCode::invalid_argument, {"Sample 0 "});
}

TEST(Npy, IsARowSourceThatPointsIntoTheFile) {
  const TempDir dir;
  write_npy(dir / "a.npy", {3, 2}, std::vector<std::uint16_t>{1, 2, 3, 4, 5, 6});
  const auto source = open_source(dir / "a.npy");
  const auto* rows = dynamic_cast<const sources::RowSource*>(source.get());
  ASSERT_NE(rows, nullptr);
  const sources::RowView view = rows->rows();
  EXPECT_EQ(view.input_stride, 4u);
  EXPECT_EQ(view.row_count, 3u);
  EXPECT_EQ(view.sample_count, 3u);
  EXPECT_EQ(view.order, nullptr);
  EXPECT_EQ(view.labels, nullptr);
  EXPECT_EQ(view.label_stride, 0u);
  EXPECT_EQ(std::memcmp(view.inputs + 4, "\3\0\4\0", 4), 0);
}

TEST(Npy, ReadChecksIndexAndRoom) {
  const TempDir dir;
  write_npy(dir / "a.npy", {3, 2}, std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
  const auto source = open_source(dir / "a.npy");
  const std::string path = (dir / "a.npy").string();
  std::array<std::byte, 4> room{};
  const auto read = [&](std::uint64_t index, std::size_t input, std::size_t label, int fields) {
    SampleView view{std::span(room).first(input),
                    std::span(room).first(label),
                    std::vector<std::span<std::byte>>(fields)};
    source->read({.index = index, .epoch = 0, .random_key = 0}, view);
  };
  EXPECT_NO_THROW(read(2, 2, 0, 0));
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  expect_error([&] { read(3, 2, 0, 0); }, kInvalid, {path, "Sample 3 ", "it has 3"});
  expect_error([&] { read(std::numeric_limits<std::uint64_t>::max(), 2, 0, 0); }, kInvalid, {path});
  expect_error([&] { read(0, 1, 0, 0); }, kInvalid, {path, "input", "has 2 bytes", "room for 1 "});
  expect_error([&] { read(0, 3, 0, 0); }, kInvalid, {path, "room for 3 "});
  expect_error([&] { read(0, 2, 1, 0); }, kInvalid, {path, "label", "has 0 bytes"});
  expect_error([&] { read(0, 2, 0, 1); }, kInvalid, {path, "fields"});
}

}  // namespace
}  // namespace headrace::test
