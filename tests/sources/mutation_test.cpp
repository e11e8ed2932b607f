// SPDX-License-Identifier: Apache-2.0
// Files with random faults: each is served whole and correct, or refused with an Error.
#include "headrace/source.h"

#include "sample_reading.h"
#include "sources/row_source.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace headrace::test {
namespace {

using Random = std::mt19937_64;

/// A number from 0 below `end`, which is at least 1.
std::size_t below(Random& random, std::size_t end) {
  return random() % end;
}

std::string random_bytes(Random& random, std::size_t count) {
  std::string bytes(count, '\0');
  std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
  return bytes;
}

/// A byte, or a text, that parsers of the two formats treat specially.
std::string special(Random& random) {
  static const std::vector<std::string> kTexts{std::string(1, '\0'),
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
  return kTexts[below(random, kTexts.size())];
}

void mutate(Random& random, std::string& file) {
  const std::size_t at = below(random, file.size() + 1);
  const std::size_t header_at = std::min(at, below(random, 80));
  const std::size_t count = 1 + below(random, 8);
  switch (below(random, 9)) {
    case 0:  // Flip one bit.
      if (at < file.size()) {
        file[at] = static_cast<char>(file[at] ^ (1 << below(random, 8)));
      }
      return;
    case 1:
    case 2:
      file.replace(header_at, std::min(count, file.size() - header_at), special(random));
      return;
    case 3:
      file.insert(header_at, special(random));
      return;
    case 4:
      file.insert(at, random_bytes(random, count));
      return;
    case 5:
      file.erase(at, count);
      return;
    case 6:
      file.resize(at);
      return;
    case 7:
      file += random_bytes(random, count);
      return;
    default:  // Change one character of the same kind, which more often leaves a valid header.
      if (header_at < file.size()) {
        file[header_at] =
            static_cast<char>(file[header_at] + static_cast<char>(below(random, 3)) - 1);
      }
      return;
  }
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
  int opened = 0;
  int refused = 0;
  Random random(20260101);  // NOLINT(bugprone-random-generator-seed): must repeat
  for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::string file = files[below(random, files.size())];
    for (std::size_t left = 1 + below(random, 3); left > 0; --left) {
      mutate(random, file);
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
