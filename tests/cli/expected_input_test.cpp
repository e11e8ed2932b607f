// SPDX-License-Identifier: Apache-2.0
// What --verify expects, compared with a third way to compute it.
#include "cli/expected_input.h"

#include "cli/element.h"
#include "support/edge_values.h"
#include "support/reference_convert.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>

namespace headrace::cli {
namespace {

std::uint64_t converted(DataType from, std::uint64_t bits, DataType to) {
  std::array<std::byte, 8> element{};
  std::memcpy(element.data(), &bits, size_of(from));
  std::array<std::byte, 8> result{};
  store_element(to, load_element(from, element.data()), result.data());
  return std::bit_cast<std::uint64_t>(result);
}

TEST(Element, ConvertsAsTheReferenceDoes) {
  for (const DataType from : kAllDataTypes) {
    const std::vector<std::uint64_t> elements = reference::telling_elements(from);
    for (const DataType to : kAllDataTypes) {
      if (from == to) {
        continue;  // copied, never converted
      }
      std::size_t wrong = 0;
      for (const std::uint64_t bits : elements) {
        wrong += converted(from, bits, to) != reference::convert(from, bits, to) ? 1 : 0;
      }
      EXPECT_EQ(wrong, 0) << to_string(from) << " to " << to_string(to);
    }
  }
}

OutputSpec normalise(std::vector<double> mean, std::vector<double> stddev) {
  OutputSpec output;
  output.mean = std::move(mean);
  output.stddev = std::move(stddev);
  return output;
}

template <class T>
std::vector<T> expected(const ExpectedInput& input, const std::vector<std::uint8_t>& raw) {
  const std::vector<std::byte> bytes = input.make(std::as_bytes(std::span(raw)));
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(ExpectedInput, KeepsWhatNothingChanges) {
  const ExpectedInput input(Shape{2, 2}, DataType::uint8, {});
  EXPECT_EQ(input.shape(), (Shape{2, 2}));
  EXPECT_EQ(input.dtype(), DataType::uint8);
  EXPECT_EQ(expected<std::uint8_t>(input, {1, 2, 3, 4}), (std::vector<std::uint8_t>{1, 2, 3, 4}));
}

TEST(ExpectedInput, NormalisesInUnitsOfOne) {
  const ExpectedInput input(Shape{3}, DataType::uint8, normalise({0.5}, {0.25}));
  EXPECT_EQ(input.dtype(), DataType::float32);
  EXPECT_EQ(expected<float>(input, {0, 255, 51}),
            (std::vector<float>{-2, 2, 51.0F * static_cast<float>(1 / 63.75) - 2.0F}));
}

TEST(ExpectedInput, PutsChannelsFirst) {
  OutputSpec output = normalise({0, 0, -1}, {1.0 / 255, 2.0 / 255, 1.0});
  output.dtype = DataType::int32;
  output.layout = Layout::chw;
  const ExpectedInput input(Shape{2, 2, 3}, DataType::uint8, output);
  EXPECT_EQ(input.shape(), (Shape{3, 2, 2}));
  EXPECT_EQ(expected<std::int32_t>(input, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}),
            (std::vector<std::int32_t>{1, 4, 7, 10, 1, 2, 4, 5, 1, 1, 1, 1}));
}

TEST(ExpectedInput, PlaneIsOneChannelInEveryLayout) {
  for (const Layout layout : {Layout::keep, Layout::hwc, Layout::chw}) {
    OutputSpec output = normalise({0.0}, {1.0 / 255});
    output.layout = layout;
    const ExpectedInput input(Shape{2, 3}, DataType::uint8, output);
    EXPECT_EQ(expected<float>(input, {1, 2, 3, 4, 5, 6}), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  }
}

TEST(ExpectedInput, AddsAChannelToAPlane) {
  OutputSpec output;
  output.layout = Layout::chw;
  const ExpectedInput input(Shape{1, 2}, DataType::uint8, output);
  EXPECT_EQ(input.shape(), (Shape{1, 1, 2}));
  EXPECT_EQ(expected<std::uint8_t>(input, {8, 9}), (std::vector<std::uint8_t>{8, 9}));
}

}  // namespace
}  // namespace headrace::cli
