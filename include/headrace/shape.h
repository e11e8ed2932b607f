// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <ranges>
#include <span>
#include <string>
#include <utility>

namespace headrace {

/// Extents of a tensor: up to 8 dimensions, kept inline, each at least 0.
///
/// A shape of rank 0 is a scalar and has one element. A value type; needs no synchronisation.
class HEADRACE_EXPORT Shape {
 public:
  static constexpr std::size_t kMaxRank = 8;

  /// A scalar.
  Shape() = default;

  /// \throws Error  `invalid_argument` for a negative extent.
  template <std::integral... Extent>
  // NOLINTNEXTLINE(google-explicit-constructor): {2, 3} is how shapes are written
  requires(sizeof...(Extent) >= 2 && sizeof...(Extent) <= kMaxRank) Shape(Extent... extents)
      : Shape(std::array<std::int64_t, sizeof...(Extent)>{checked(extents)...}) {}
  template <std::integral Extent>
  explicit Shape(Extent extent) : Shape(std::array<std::int64_t, 1>{checked(extent)}) {}
  template <std::integral Extent>
  Shape(std::initializer_list<Extent> extents) {
    for (const Extent extent : extents) {
      append(checked(extent));
    }
  }
  /// The extents in a range of integers. \throws Error  `invalid_argument` for more than 8
  /// dimensions or a negative extent.
  // NOLINTBEGIN(google-explicit-constructor): a list of extents is a shape
  template <std::ranges::contiguous_range Range>
  requires std::integral<std::ranges::range_value_t<Range>> &&
      (!std::same_as<std::ranges::range_value_t<Range>, char>)Shape(const Range& extents) {
    for (const auto extent : extents) {
      append(checked(extent));
    }
  }
  // NOLINTEND(google-explicit-constructor)
  /// \throws Error  as above.
  explicit Shape(std::span<const std::int64_t> extents);

  [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
  [[nodiscard]] std::size_t size() const noexcept { return rank_; }
  [[nodiscard]] bool empty() const noexcept { return rank_ == 0; }
  [[nodiscard]] const std::int64_t* begin() const noexcept { return extents_.data(); }
  [[nodiscard]] const std::int64_t* end() const noexcept { return extents_.data() + rank_; }

  /// Extent of dimension `axis`, which must be below `rank()`.
  std::int64_t operator[](std::size_t axis) const noexcept { return extents_[axis]; }

  /// Number of elements: the product of the extents.
  ///
  /// \throws Error  `invalid_argument` when the product does not fit in a signed 64-bit number.
  [[nodiscard]] std::int64_t element_count() const;

  /// This shape with `extent` put in front of its dimensions.
  ///
  /// \throws Error  `invalid_argument` when that makes more than 8 dimensions.
  [[nodiscard]] Shape with_leading(std::int64_t extent) const;

  /// This shape without its first dimension.
  ///
  /// \throws Error  `invalid_argument` for a scalar.
  [[nodiscard]] Shape without_leading() const;

  /// "[2, 3]"; "[]" for a scalar.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    return std::ranges::equal(a, b);
  }

 private:
  void append(std::int64_t extent);

  [[noreturn]] static void refuse_extent(std::uint64_t extent);

  template <std::integral Extent>
  static std::int64_t checked(Extent extent) {
    if (!std::in_range<std::int64_t>(extent)) {
      refuse_extent(static_cast<std::uint64_t>(extent));
    }
    return static_cast<std::int64_t>(extent);
  }

  std::array<std::int64_t, kMaxRank> extents_{};
  std::uint8_t rank_ = 0;
};

}  // namespace headrace
