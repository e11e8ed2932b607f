// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/paths.h"
#include "sources/row_source.h"

#include <array>
#include <string>

namespace headrace::test {
namespace {

constexpr auto kCorrupt = ErrorCode::corrupt_data;
constexpr auto kUnsupported = ErrorCode::unsupported;

bool is_row_source(const SampleSource& source) {
  return dynamic_cast<const sources::RowSource*>(&source) != nullptr;
}

template <class T>
void expect_round_trip(int type, const std::vector<T>& elements) {
  const TempDir dir;
  const auto path = dir / "data";
  write_file(path, idx_file(type, {2, 3}, reversed_bytes(elements)));
  const auto source = open_source(path);
  EXPECT_EQ(source->size(), 2u);
  EXPECT_EQ(source->name(), path.string());
  EXPECT_EQ(source->spec(), (SampleSpec{Shape{3}, data_type_of<T>, Shape{0}, DataType::uint8, {}}));
  EXPECT_EQ(input_of<T>(*source, 0), std::vector<T>(elements.begin(), elements.begin() + 3));
  EXPECT_EQ(input_of<T>(*source, 1), std::vector<T>(elements.begin() + 3, elements.end()));
  EXPECT_EQ(is_row_source(*source), sizeof(T) == 1);
}

TEST(Idx, EveryTypeComesBackInTheOrderOfThisMachine) {
  expect_round_trip<std::uint8_t>(0x08, {0, 1, 127, 128, 254, 255});
  expect_round_trip<std::int8_t>(0x09, {0, 1, 127, -128, -2, -1});
  expect_round_trip<std::int16_t>(0x0B, {0, 1, 0x1234, -0x1234, -1, 256});
  expect_round_trip<std::int32_t>(0x0C, {0, 1, 0x12345678, -0x12345678, -1, 256});
  expect_round_trip<float>(0x0D, {0.0F, 1.5F, -2.25F, 1e30F, 1e-30F, 3.0F});
  expect_round_trip<double>(0x0E, {0.0, 1.5, -2.25, 1e300, 1e-300, 3.0});
}

TEST(Idx, ReadOfSwappedElementsChecksIndexAndRoom) {
  const TempDir dir;
  write_file(dir / "data", idx_file(0x0B, {2, 1}, "abcd"));
  const auto source = open_source(dir / "data");
  std::array<std::byte, 2> room{};
  SampleView view{room, {}, {}};
  expect_error([&] { source->read({.index = 2, .epoch = 0, .random_key = 0}, view); },
               ErrorCode::invalid_argument,
               {"Sample 2 "});
  view.input = view.input.first(1);
  expect_error([&] { source->read({.index = 0, .epoch = 0, .random_key = 0}, view); },
               ErrorCode::invalid_argument,
               {"has 2 bytes"});
}

TEST(Idx, RefusesWhatItsHeaderDoesNotKeep) {
  const TempDir dir;
  const auto path = dir / "x-images-idx3-ubyte";
  const auto expect_file =
      [&](const std::string& content, ErrorCode code, std::size_t offset, const std::string& part) {
        write_file(path, content);
        expect_refused(path, code, offset, part);
      };
  const std::string whole = idx_file(0x08, {2, 2, 2}, "abcdefgh");
  expect_file("", kCorrupt, 0, "is empty");
  for (std::size_t size = 1; size < 4; ++size) {
    expect_file(whole.substr(0, size), kCorrupt, size, "within the mark");
  }
  for (std::size_t size = 4; size < 16; ++size) {
    expect_file(whole.substr(0, size), kCorrupt, size, "within its 3 extents");
  }
  for (std::size_t size = 16; size < whole.size(); ++size) {
    expect_file(whole.substr(0, size), kCorrupt, size, "the file ends");
  }
  expect_file(whole + "ij", kCorrupt, whole.size(), "2 more bytes follow");
  expect_file("text", kCorrupt, 0, "begins with 00 00, and this one with 74 65");
  expect_file(idx_file(0x0A, {1}, "a"), kCorrupt, 2, "0x0a");
  expect_file(idx_file(0x08, {}, "a"), kUnsupported, 4, "no dimensions");
  expect_file(idx_file(0x08, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "a"), kUnsupported, 4, "9 dimensions");
  expect_file(idx_file(0x08, {2, 0}, ""), kUnsupported, 4, "without elements");
  expect_file(idx_file(0x0E, {0x80000000, 0x80000000}, ""), kCorrupt, 4, "any file can hold");
  expect_file(idx_file(0x08, {0x80000000, 0x80000000, 4}, ""), kCorrupt, 4, "any file can hold");
  expect_file(idx_file(0x08, {0xffffffff}, "a"), kCorrupt, 9, "needs 4294967295 bytes");
  expect_file("\x1f\x8b\x08 packed", kUnsupported, 0, "gunzip '" + path.string() + "'");
}

TEST(Idx, NoSamplesIsNoError) {
  const TempDir dir;
  write_file(dir / "x", idx_file(0x08, {0, 28, 28}, ""));
  const auto source = open_source(dir / "x");
  EXPECT_EQ(source->size(), 0u);
  EXPECT_EQ(source->spec().input_shape, (Shape{28, 28}));
}

TEST(Idx, BundledDigitsAreWhole) {
  const auto source = open_source(HEADRACE_DATA_DIR "/digits");
  EXPECT_EQ(source->size(), 1797u);
  EXPECT_EQ(source->spec(), (SampleSpec{{8, 8}, DataType::uint8, Shape{}, DataType::uint8, {}}));
  EXPECT_TRUE(is_row_source(*source));
  std::array<int, 10> count{};
  int sum = 0;
  for (std::size_t i = 0; i < source->size(); ++i) {
    ++count.at(label_of<std::uint8_t>(*source, i).at(0));
    for (const std::uint8_t pixel : input_of<std::uint8_t>(*source, i)) {
      ASSERT_LE(pixel, 16);
      sum += pixel;
    }
  }
  EXPECT_EQ(count, (std::array{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}));
  EXPECT_EQ(sum, 561718);
}

}  // namespace
}  // namespace headrace::test
