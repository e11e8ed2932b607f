// SPDX-License-Identifier: Apache-2.0
#include "loader/permutation.h"

#include "headrace/error.h"

#include <bit>
#include <cassert>
#include <string>

namespace headrace::loader {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
constexpr std::uint64_t kPermutationKey = 0xA0761D6478BD642F;
constexpr std::uint64_t kRoundFactor = 0xD6E8FEB86659FD93;

// Eight rounds leave a bias that can be measured below about 128 places, where halves have so few
// values; the margin costs nothing on data sets of that size.
constexpr std::uint64_t kFewPlaces = 1024;
constexpr int kRoundsForFew = 32;
constexpr int kRoundsForMany = 8;

// The output function of SplitMix64.
constexpr std::uint64_t scatter(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

constexpr std::uint64_t round_value(std::uint64_t half, std::uint64_t key) noexcept {
  std::uint64_t x = (half ^ key) * kRoundFactor;
  x = (x ^ (x >> 32)) * kRoundFactor;
  return x >> 32;
}

}  // namespace

std::uint64_t mix(std::uint64_t seed, std::uint64_t epoch) noexcept {
  return scatter(scatter(seed + kGolden) + kGolden * (epoch + 1));
}

std::uint64_t mix(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index) noexcept {
  return scatter(mix(seed, epoch) + kGolden * (index + 1));
}

Permutation::Permutation(std::uint64_t n, std::uint64_t key)
    : size_(n), key_(scatter(key ^ kPermutationKey)) {
  if (n > kMaxSize) {
    throw Error(ErrorCode::invalid_argument,
                "A permutation of " + std::to_string(n) + " places exceeds the limit of 2^63.");
  }
  if (n > 1) {
    const auto bits = static_cast<unsigned>(std::bit_width(n - 1));
    right_bits_ = bits - bits / 2;
    right_mask_ = (std::uint64_t{1} << right_bits_) - 1;
    left_count_ = ((n - 1) >> right_bits_) + 1;
  }
}

template <int kRounds>
std::uint64_t Permutation::walk(std::uint64_t place) const noexcept {
  do {
    std::uint64_t left = place >> right_bits_;
    std::uint64_t right = place & right_mask_;
    std::uint64_t key = key_;
    for (int round = 0; round < kRounds; round += 2) {
      left += (round_value(right, key) * left_count_) >> 32;
      left -= left >= left_count_ ? left_count_ : 0;
      key += kGolden;
      right ^= round_value(left, key) & right_mask_;
      key += kGolden;
    }
    place = (left << right_bits_) | right;
  } while (place >= size_);
  return place;
}

std::uint64_t Permutation::operator()(std::uint64_t place) const noexcept {
  assert(place < size_);
  return size_ > kFewPlaces ? walk<kRoundsForMany>(place) : walk<kRoundsForFew>(place);
}

}  // namespace headrace::loader
