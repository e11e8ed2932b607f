// SPDX-License-Identifier: Apache-2.0
#include "headrace/shape.h"

#include "headrace/error.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace headrace {
namespace {

constexpr std::int64_t kMaximum = std::numeric_limits<std::int64_t>::max();

static_assert(!std::is_convertible_v<int, Shape>, "a number must not turn into a shape by itself");
static_assert(!std::is_constructible_v<Shape, std::vector<double>>, "extents are whole numbers");
static_assert(std::is_nothrow_copy_constructible_v<Shape>);

// The message of the error that `work` throws.
template <class Work>
std::string refusal(Work work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

std::size_t rank_of(const Shape& shape) {
  return shape.rank();
}

TEST(Shape, IsMadeOfAnyRangeOfIntegers) {
  const std::vector<int> ints{2, 3};
  const std::array<std::uint8_t, 2> bytes{2, 3};
  const std::vector<std::size_t> sizes{2, 3};
  const Shape from_ints = ints;
  EXPECT_EQ(from_ints, (Shape{2, 3}));
  EXPECT_EQ(Shape(bytes), (Shape{2, 3}));
  EXPECT_EQ(Shape(std::span(sizes)), (Shape{2, 3}));
  EXPECT_EQ(Shape(std::vector<int>()), Shape{});
  EXPECT_THROW(Shape(std::vector<int>{2, -3}), Error);
  EXPECT_THROW(Shape(std::vector<int>(9, 1)), Error);
  EXPECT_THROW(Shape(std::vector<std::uint64_t>{UINT64_MAX}), Error);
  static_assert(!std::is_convertible_v<const char*, Shape>);
  static_assert(!std::is_convertible_v<std::string, Shape>);
}

TEST(Shape, EveryWayOfWritingItGivesTheSame) {
  const std::vector<std::int64_t> extents{2, 3};
  const Shape expected(extents);
  EXPECT_EQ(Shape({2, 3}), expected);
  EXPECT_EQ(Shape(2, 3), expected);
  EXPECT_EQ((Shape{2U, std::int64_t{3}}), expected);
  EXPECT_EQ(Shape(std::span<const std::int64_t>(extents)), expected);
  const Shape copy = expected;
  EXPECT_EQ(copy, expected);
  EXPECT_EQ(rank_of({2, 3}), 2U);
  EXPECT_EQ(rank_of({7}), 1U);
  EXPECT_EQ(Shape(7), Shape{7});
  EXPECT_EQ(Shape{}.rank(), 0U);
}

TEST(Shape, DiffersInRankAndExtents) {
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_NE(Shape{}, Shape{1});
}

TEST(Shape, GivesExtentsInOrder) {
  const Shape shape{4, 0, 5};
  EXPECT_EQ(shape.rank(), 3U);
  EXPECT_EQ(shape[0], 4);
  EXPECT_EQ(shape[1], 0);
  EXPECT_EQ(shape[2], 5);
  EXPECT_EQ(std::vector<std::int64_t>(shape.begin(), shape.end()),
            (std::vector<std::int64_t>{4, 0, 5}));
  EXPECT_FALSE(shape.empty());
  EXPECT_TRUE(Shape{}.empty());
}

TEST(Shape, TakesEightDimensionsAndNoMore) {
  const Shape eight{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(eight.element_count(), 40320);
  const std::string message = refusal([] { const Shape nine({1, 2, 3, 4, 5, 6, 7, 8, 9}); });
  EXPECT_NE(message.find("[1, 2, 3, 4, 5, 6, 7, 8]"), std::string::npos) << message;
  EXPECT_NE(message.find("extent 9"), std::string::npos) << message;
  EXPECT_NE(message.find("limit is 8"), std::string::npos) << message;
  const std::vector<std::int64_t> ten(10, 1);
  refusal([&] { const Shape too_many(ten); });
}

TEST(Shape, RefusesExtentsThatAreNone) {
  const std::string negative = refusal([] { const Shape shape{2, -3}; });
  EXPECT_NE(negative.find("Dimension 1"), std::string::npos) << negative;
  EXPECT_NE(negative.find("-3"), std::string::npos) << negative;
  const std::string large = refusal([] { const Shape shape{std::uint64_t{1} << 63}; });
  EXPECT_NE(large.find("9223372036854775808"), std::string::npos) << large;
  EXPECT_NE(large.find("9223372036854775807"), std::string::npos) << large;
}

TEST(Shape, CountsElements) {
  EXPECT_EQ(Shape{}.element_count(), 1);
  EXPECT_EQ(Shape{7}.element_count(), 7);
  EXPECT_EQ((Shape{2, 3, 4}).element_count(), 24);
  EXPECT_EQ((Shape{kMaximum, 1}).element_count(), kMaximum);
  EXPECT_EQ(
      (Shape{std::int64_t{7} * 7 * 73 * 127 * 337, std::int64_t{92737} * 649657}).element_count(),
      kMaximum);
}

TEST(Shape, ZeroExtentMakesNoElementsWhateverTheOthers) {
  EXPECT_EQ(Shape{0}.element_count(), 0);
  EXPECT_EQ((Shape{3, 0, 5}).element_count(), 0);
  EXPECT_EQ((Shape{kMaximum, kMaximum, std::int64_t{0}}).element_count(), 0);
}

TEST(Shape, RefusesCountsThatOverflow) {
  for (const Shape& shape : {Shape{std::int64_t{1} << 32, std::int64_t{1} << 31},
                             Shape{std::int64_t{1} << 32, std::int64_t{1} << 32},
                             Shape{std::int64_t{3}, kMaximum / 3 + 1},
                             Shape{kMaximum, std::int64_t{2}, std::int64_t{2}}}) {
    const std::string message = refusal([&] { (void)shape.element_count(); });
    EXPECT_NE(message.find(shape.to_string()), std::string::npos) << message;
    EXPECT_NE(message.find("9223372036854775807"), std::string::npos) << message;
  }
}

TEST(Shape, TakesAndLosesALeadingDimension) {
  EXPECT_EQ((Shape{2, 3}).with_leading(5), (Shape{5, 2, 3}));
  EXPECT_EQ(Shape{}.with_leading(5), Shape{5});
  EXPECT_EQ((Shape{5, 2, 3}).without_leading(), (Shape{2, 3}));
  EXPECT_EQ(Shape{5}.without_leading(), Shape{});
  refusal([] { (void)Shape{}.without_leading(); });
  refusal([] { (void)Shape{1}.with_leading(-1); });
  const std::string message = refusal([] {
    (void)Shape({1, 2, 3, 4, 5, 6, 7, 8}).with_leading(9);
  });
  EXPECT_NE(message.find("limit is 8"), std::string::npos) << message;
}

TEST(Shape, PrintsItsExtents) {
  EXPECT_EQ(Shape{}.to_string(), "[]");
  EXPECT_EQ(Shape{7}.to_string(), "[7]");
  EXPECT_EQ((Shape{2, 0, 3}).to_string(), "[2, 0, 3]");
}

}  // namespace
}  // namespace headrace
