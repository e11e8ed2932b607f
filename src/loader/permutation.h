// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace headrace::loader {

/// Key of epoch `epoch` of a run seeded with `seed`.
///
/// Fixed for ever, like all of this header: saved states and repeated runs depend on it.
std::uint64_t mix(std::uint64_t seed, std::uint64_t epoch) noexcept;

/// Key of sample `index` in epoch `epoch`; no two samples of one epoch share a key.
std::uint64_t mix(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index) noexcept;

/// A bijection of the numbers below n, chosen by a key, without a table.
///
/// A Feistel network on pairs (left, right) with left * 2^b + right >= n pairs in all, b being half
/// the bits of n. A result that is not below n is permuted again, which is rare: the pairs exceed n
/// by less than 2^b. Order and construction: docs/design/003-plan.md.
/// A value type of constant size; any thread may call it.
class Permutation {
 public:
  /// Largest number of places.
  static constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 63;

  /// The bijection of no number.
  Permutation() = default;

  /// \param n    Number of places, at most `kMaxSize`.
  /// \param key  Chooses the bijection; similar keys give unrelated ones.
  /// \throws Error  `invalid_argument` when `n` is larger.
  Permutation(std::uint64_t n, std::uint64_t key);

  /// The number at `place`, which must be below `size()`.
  std::uint64_t operator()(std::uint64_t place) const noexcept;

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  friend bool operator==(const Permutation&, const Permutation&) = default;

 private:
  template <int kRounds>
  [[nodiscard]] std::uint64_t walk(std::uint64_t place) const noexcept;

  std::uint64_t size_ = 0;
  std::uint64_t key_ = 0;
  std::uint64_t left_count_ = 1;
  std::uint64_t right_mask_ = 0;
  unsigned right_bits_ = 0;
};

}  // namespace headrace::loader
