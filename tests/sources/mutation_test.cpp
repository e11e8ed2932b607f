// SPDX-License-Identifier: Apache-2.0
// Files with random faults: each is served whole and correct, or refused with an Error.
#include "mutation.h"

#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/row_source.h"

#include <algorithm>
#include <numeric>

namespace headrace::test {
namespace {

/// Bytes and texts that parsers of the two formats treat specially.
std::vector<std::string> special_texts() {
  return {std::string(1, '\0'),
          "\xff",
          "{",
          "}",
          "(",
          ")",
          ",",
          "'",
          "9",
          "0",
          "L",
          "-",
          "\n",
          "True",
          "<",
          ">",
          "|",
          "u1",
          "f8",
          "<f4",
          "(1,)",
          "[",
          "\\",
          "99",
          "4294967296",
          "9223372036854775807",
          "'shape': ",
          "\x80",
          "\x01",
          "\x08",
          "\x0e",
          ":"};
}

std::vector<std::string> valid_files() {
  std::vector<std::uint8_t> bytes(42);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  const std::vector<float> floats{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<std::int64_t> longs{0, 1, 2, 3, 4, 5};
  return {npy_file(npy_dictionary("|u1", {7, 3, 2}), bytes_of(bytes)),
          npy_file(npy_dictionary("<f4", {5, 2}), bytes_of(floats), 2),
          npy_file(npy_dictionary("<i8", {6}), bytes_of(longs), 3),
          npy_file("{'shape':(6L,7),'descr':'|b1','fortran_order':False}", bytes_of(bytes)),
          idx_file(0x08, {42}, bytes_of(bytes)),
          idx_file(0x08, {3, 7, 2}, bytes_of(bytes)),
          idx_file(0x0D, {5, 2}, reversed_bytes(floats)),
          idx_file(0x0B, {3, 7}, bytes_of(bytes))};
}

/// Reads everything; the samples must be the last bytes of `file`, in their order.
void expect_whole(const SampleSource& source, const std::string& file) {
  const SampleSpec spec = source.spec();
  const std::size_t row = bytes_of_part(spec.input_shape, spec.input_dtype);
  ASSERT_GT(row, 0u);
  ASSERT_LE(source.size(), file.size() / row);
  const bool is_swapped = dynamic_cast<const sources::RowSource*>(&source) == nullptr;
  std::string all;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const Sample sample = read_sample(source, i);
    EXPECT_TRUE(sample.label.empty());
    std::string bytes = bytes_of(sample.input);
    const std::size_t element = is_swapped ? size_of(spec.input_dtype) : 1;
    for (std::size_t at = 0; at < bytes.size(); at += element) {
      std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                   bytes.begin() + static_cast<std::ptrdiff_t>(at + element));
    }
    all += bytes;
  }
  EXPECT_TRUE(file.ends_with(all));
}

TEST(Mutation, FaultyFilesAreRefusedOrReadWhole) {
  constexpr int kRounds = 20000;
  const TempDir dir;
  const std::vector<std::string> files = valid_files();
  const std::vector<std::string> specials = special_texts();
  int opened = 0;
  int refused = 0;
  Random random(20260101);  // NOLINT(bugprone-random-generator-seed): must repeat
  for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::string file = files[below(random, files.size())];
    for (std::size_t left = 1 + below(random, 3); left > 0; --left) {
      mutate(random, specials, 80, file);
    }
    // The name claims a format in some rounds, so that all ways of recognition are taken.
    const auto path = dir / (round % 3 == 0 ? "x.npy" : round % 3 == 1 ? "x-idx3-ubyte" : "x");
    write_file(path, file);
    try {
      const auto source = open_source(path);
      expect_whole(*source, file);
      ++opened;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::corrupt_data || error.code() == ErrorCode::unsupported)
          << error.what();
      EXPECT_NE(std::string_view(error.what()).find(path.string()), std::string_view::npos);
      EXPECT_NE(std::string_view(error.what()).find("at offset "), std::string_view::npos);
      ++refused;
    }
  }
  EXPECT_GT(opened, kRounds / 50);
  EXPECT_GT(refused, kRounds / 2);
}

}  // namespace
}  // namespace headrace::test
