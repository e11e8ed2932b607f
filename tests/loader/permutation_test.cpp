// SPDX-License-Identifier: Apache-2.0
#include "loader/permutation.h"

#include "headrace/error.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <unordered_set>
#include <vector>

namespace headrace::loader {
namespace {

std::vector<std::uint64_t> all_of(const Permutation& permutation) {
  std::vector<std::uint64_t> values(permutation.size());
  for (std::uint64_t place = 0; place < values.size(); ++place) {
    values[place] = permutation(place);
  }
  return values;
}

bool is_bijection(const Permutation& permutation) {
  std::vector<std::uint64_t> values = all_of(permutation);
  std::ranges::sort(values);
  std::vector<std::uint64_t> expected(values.size());
  std::iota(expected.begin(), expected.end(), 0);
  return values == expected;
}

// How many standard deviations chi-square lies above its mean when all cells are equally likely.
double excess_of(const std::vector<std::uint64_t>& counts) {
  const double total = static_cast<double>(std::reduce(counts.begin(), counts.end()));
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const std::uint64_t count : counts) {
    const double difference = static_cast<double>(count) - expected;
    sum += difference * difference / expected;
  }
  const double freedom = static_cast<double>(counts.size() - 1);
  return (sum - freedom) / std::sqrt(2 * freedom);
}

// Which of `cells` stretches of nearly equal length `value` lies in.
std::uint64_t cell_of(std::uint64_t value, std::uint64_t n, std::uint64_t cells) {
  return std::min(value / std::max<std::uint64_t>(n / cells, 1), cells - 1);
}

constexpr double kLimit = 4.5;  // Chance of about 1 in 10^5; keys are fixed, so no test is flaky.

TEST(Permutation, KnownAnswersStayForEver) {
  using Values = std::vector<std::uint64_t>;
  EXPECT_EQ(all_of({10, 0}), (Values{1, 9, 7, 2, 5, 8, 4, 3, 0, 6}));
  EXPECT_EQ(all_of({10, 1}), (Values{0, 7, 5, 9, 4, 1, 6, 3, 2, 8}));
  EXPECT_EQ(all_of({5, 42}), (Values{2, 4, 1, 3, 0}));
  const std::map<std::uint64_t, Values> known = {
      {1025, {365, 476, 368, 381, 836}},
      {1'000'000, {164054, 590953, 733438, 170159, 972857}},
      {1'000'000'000'000, {184306805513, 522066577571, 376109267675, 45362742324, 517896099547}},
      {(1ULL << 40) + 1, {178454067951, 718859282625, 266333746550, 418427518622, 943587907390}},
      {1ULL << 63,
       {8656615131432896469,
        7536998560978894120,
        3612706771544967177,
        5954675487988692185,
        6795939431698718960}}};
  for (const auto& [n, values] : known) {
    const Permutation permutation(n, 42);
    EXPECT_EQ((Values{permutation(0),
                      permutation(1),
                      permutation(2),
                      permutation(n / 2),
                      permutation(n - 1)}),
              values)
        << n;
  }
}

TEST(Mix, KnownAnswersStayForEver) {
  EXPECT_EQ(mix(0, 0), 0xa706dd2f4d197e6f);
  EXPECT_EQ(mix(0, 1), 0xb382a305f4414f5e);
  EXPECT_EQ(mix(1, 0), 0x5e41ab087439611e);
  EXPECT_EQ(mix(UINT64_MAX, UINT64_MAX), 0x445018e305810b78);
  EXPECT_EQ(mix(0, 0, 0), 0x238275bc38fcbe91);
  EXPECT_EQ(mix(0, 0, 1), 0xf89a2566b5822c54);
  EXPECT_EQ(mix(42, 7, 1'000'000'000'000), 0x2da786a63835927e);
  EXPECT_EQ(mix(UINT64_MAX, UINT64_MAX, UINT64_MAX), 0x179f01f0d2fba97a);
}

TEST(Permutation, IsBijectionForEverySizeUpTo300) {
  for (std::uint64_t n = 0; n <= 300; ++n) {
    for (std::uint64_t key = 0; key < 20; ++key) {
      EXPECT_TRUE(is_bijection({n, key})) << n << " places, key " << key;
    }
  }
}

RC_GTEST_PROP(Permutation, IsBijectionForAnyMiddlingSizeAndKey, (std::uint64_t key)) {
  const auto n = *rc::gen::inRange<std::uint64_t>(301, 40'000);
  RC_ASSERT(is_bijection({n, key}));
}

// Two places with one image would show as a collision; images beyond n as a range error.
RC_GTEST_PROP(Permutation, HasNoCollisionInLargeSizes, (std::uint64_t key, std::uint64_t start)) {
  const auto bits = *rc::gen::inRange(16, 64);
  const std::uint64_t top = std::uint64_t{1} << (bits - 1);
  const std::uint64_t n = bits == 64 ? top : top + *rc::gen::inRange<std::uint64_t>(0, top);
  const Permutation permutation(n, key);
  std::unordered_set<std::uint64_t> images;
  constexpr std::uint64_t kSamples = 4000;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::uint64_t image = permutation((start % n + i) % n);
    RC_ASSERT(image < n);
    images.insert(image);
  }
  RC_ASSERT(images.size() == kSamples);
}

TEST(Permutation, RefusesMoreThan2To63Places) {
  EXPECT_EQ(Permutation(Permutation::kMaxSize, 1).size(), Permutation::kMaxSize);
  try {
    const Permutation permutation(Permutation::kMaxSize + 1, 1);
    FAIL() << permutation.size();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("9223372036854775809"), std::string::npos);
  }
}

TEST(Permutation, EveryOrderOfFewPlacesIsEquallyLikely) {
  for (const std::uint64_t n : {2U, 3U, 4U, 5U}) {
    std::map<std::vector<std::uint64_t>, std::uint64_t> orders;
    for (std::uint64_t key = 0; key < 60'000; ++key) {
      ++orders[all_of({n, key})];
    }
    std::vector<std::uint64_t> counts;
    counts.reserve(orders.size());
    for (const auto& [order, count] : orders) {
      counts.push_back(count);
    }
    std::uint64_t factorial = 1;
    for (std::uint64_t i = 2; i <= n; ++i) {
      factorial *= i;
    }
    ASSERT_EQ(counts.size(), factorial);
    EXPECT_LT(excess_of(counts), kLimit) << n;
  }
}

// The image of one place over keys 0, 1, 2, ..., which are as alike as keys can be.
TEST(Permutation, EveryImageOfAPlaceIsEquallyLikely) {
  for (const std::uint64_t n : {10ULL, 17ULL, 100ULL, 1000ULL, 1100ULL, 1'000'003ULL, 1ULL << 62}) {
    for (const std::uint64_t place : {std::uint64_t{0}, n / 3, n - 1}) {
      const std::uint64_t cells = std::min<std::uint64_t>(n, 100);
      std::vector<std::uint64_t> counts(cells);
      for (std::uint64_t key = 0; key < 20'000; ++key) {
        ++counts[cell_of(Permutation(n, key)(place), n, cells)];
      }
      EXPECT_LT(excess_of(counts), kLimit) << n << " places, place " << place;
    }
  }
}

// Neighbours, and places whose halves agree, in coarse cells (which halves matter by the top bits)
// and in fine ones (the lowest bits).
TEST(Permutation, ImagesOfRelatedPlacesAreUnrelated) {
  for (const std::uint64_t n : {1'025ULL, 30'000ULL, 1'000'000ULL, 1'000'000'000'000ULL}) {
    const auto half = static_cast<unsigned>(std::bit_width(n - 1) + 1) / 2;
    for (const std::uint64_t distance : {std::uint64_t{1}, std::uint64_t{1} << half}) {
      std::vector<std::uint64_t> coarse(256);
      std::vector<std::uint64_t> fine(256);
      for (std::uint64_t i = 0; i < 40'000; ++i) {
        const Permutation permutation(n, i / 400);
        const std::uint64_t place = i % 400 * (n / 1000);
        const std::uint64_t a = permutation(place);
        const std::uint64_t b = permutation(place + distance);
        ++coarse[cell_of(a, n, 16) * 16 + cell_of(b, n, 16)];
        ++fine[a % 16 * 16 + b % 16];
      }
      EXPECT_LT(excess_of(coarse), kLimit) << n << " places, distance " << distance;
      EXPECT_LT(excess_of(fine), kLimit) << n << " places, distance " << distance;
    }
  }
}

// Two random bijections agree at one place on average, and one agrees with the identity likewise.
TEST(Permutation, NeighbouringKeysGiveUnrelatedOrders) {
  constexpr std::uint64_t kPlaces = 500;
  constexpr std::uint64_t kKeys = 400;
  std::uint64_t agreements = 0;
  std::uint64_t fixed_places = 0;
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    const Permutation one(kPlaces, key);
    const Permutation next(kPlaces, key + 1);
    for (std::uint64_t place = 0; place < kPlaces; ++place) {
      agreements += one(place) == next(place) ? 1U : 0U;
      fixed_places += one(place) == place ? 1U : 0U;
    }
  }
  constexpr std::uint64_t kTolerance = 90;  // 4.5 standard deviations of the sum of 400.
  EXPECT_NEAR(static_cast<double>(agreements), kKeys, kTolerance);
  EXPECT_NEAR(static_cast<double>(fixed_places), kKeys, kTolerance);
}

RC_GTEST_PROP(Mix, GivesEachSampleOfAnEpochItsOwnKey, (std::uint64_t seed, std::uint64_t epoch)) {
  std::unordered_set<std::uint64_t> keys;
  for (std::uint64_t index = 0; index < 1000; ++index) {
    keys.insert(mix(seed, epoch, index));
  }
  RC_ASSERT(keys.size() == 1000U);
  RC_ASSERT(!keys.contains(mix(seed, epoch)));
}

// One bit of any input changes about half of the output's bits.
TEST(Mix, EveryBitOfTheInputsMatters) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t flip = std::uint64_t{1} << bit;
    int seed_bits = 0;
    int epoch_bits = 0;
    int index_bits = 0;
    for (std::uint64_t i = 0; i < 200; ++i) {
      const std::uint64_t key = mix(i, i + 1, i + 2);
      seed_bits += std::popcount(key ^ mix(i ^ flip, i + 1, i + 2));
      epoch_bits += std::popcount(key ^ mix(i, (i + 1) ^ flip, i + 2));
      index_bits += std::popcount(key ^ mix(i, i + 1, (i + 2) ^ flip));
    }
    EXPECT_NEAR(seed_bits, 200 * 32, 300) << bit;
    EXPECT_NEAR(epoch_bits, 200 * 32, 300) << bit;
    EXPECT_NEAR(index_bits, 200 * 32, 300) << bit;
  }
}

}  // namespace
}  // namespace headrace::loader
