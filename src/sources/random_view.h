// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "sources/image.h"

#include <cstdint>

namespace headrace::sources {

/// Numbers that follow from a key alone: SplitMix64's.
class KeyedRandom {
 public:
  explicit KeyedRandom(std::uint64_t key) noexcept : state_(key) {}

  std::uint64_t next() noexcept;

  /// At least 0 and below 1.
  double uniform() noexcept;

  /// A whole number below `count`, which is at most 2^32.
  std::uint64_t below(std::uint64_t count) noexcept;

 private:
  std::uint64_t state_;
};

/// A number from `low` to `high`, whose logarithm is `place`, from 0 to 1, of the way. Made of
/// products and square roots, and so the same everywhere.
double between_by_ratio(double low, double high, double place) noexcept;

/// The part of a picture that torchvision's RandomResizedCrop takes, drawn from `random`.
Region draw_crop(const RandomCrop& crop, const ImageSize& from, KeyedRandom& random) noexcept;

}  // namespace headrace::sources
