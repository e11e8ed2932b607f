// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/memory_manager.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace headrace::core {

/// Every capacity is a multiple of this many bytes.
inline constexpr std::size_t kGranule = 256;

/// Buffers above this size belong to no class: each is a piece of a segment by itself.
inline constexpr std::size_t kLargestClass = std::size_t{1} << 20;

/// `value` rounded up to a multiple of `step`, a power of two.
///
/// \throws Error  `invalid_argument` when the result does not fit.
std::size_t checked_round_up(std::size_t value, std::size_t step);

/// `a * b`. \throws Error  `invalid_argument` when the product does not fit.
std::size_t checked_multiply(std::size_t a, std::size_t b);

/// The capacity of buffers that serve `size` bytes, at least `kGranule`; the least one of the
/// policy that is not below `size`.
std::size_t capacity_for(std::size_t size, SizeClassPolicy policy);

/// The classes of one pool: numbers for the capacities that buffers of a class have.
class SizeClasses {
 public:
  /// Most classes there are: eight a doubling from 2 KiB to 1 MiB, and one a granule below.
  static constexpr std::size_t kCount = 80;

  explicit SizeClasses(SizeClassPolicy policy) noexcept
      : table_(policy == SizeClassPolicy::quarters ? kQuarters.data() : kEighths.data()),
        bits_(policy == SizeClassPolicy::quarters ? 2 : 3),
        largest_(policy == SizeClassPolicy::exact ? 0 : kLargestClass) {}

  /// One class, of `capacity` bytes.
  static SizeClasses only(std::size_t capacity) noexcept {
    SizeClasses classes(SizeClassPolicy::exact);
    classes.granule_bits_ = 63;  // Every size is of the first granule.
    classes.largest_ = capacity;
    return classes;
  }

  /// Whether a class serves `size` bytes; none serves 0.
  [[nodiscard]] bool serve(std::size_t size) const noexcept { return size - 1 < largest_; }

  /// The class that serves `size` bytes, where one does.
  [[nodiscard]] std::size_t index_of(std::size_t size) const noexcept {
    return table_[(size - 1) >> granule_bits_];
  }

  /// Bytes of the buffers of class `index`.
  [[nodiscard]] std::size_t capacity_of(std::size_t index) const noexcept {
    if (granule_bits_ == 63) {
      return largest_;
    }
    const std::size_t steps = std::size_t{1} << bits_;
    const std::size_t doubling = index < steps ? 0 : ((index + 1) >> bits_) - 1;
    return ((index + 1 - (doubling << bits_)) << doubling) * kGranule;
  }

 private:
  /// Of each granule of sizes, the class. A table costs a load where arithmetic costs ten steps.
  using Table = std::array<std::uint8_t, kLargestClass / kGranule>;

  /// \param bits  Two to their power classes a doubling.
  static constexpr Table table(std::size_t bits) noexcept {
    Table all{};
    for (std::size_t granule = 0; granule < all.size(); ++granule) {
      // Counted from 0, the granules of a doubling share their highest bits + 1 bits with those of
      // its class.
      const auto width =
          static_cast<std::size_t>(std::bit_width(granule | (std::size_t{1} << bits)));
      const std::size_t doubling = width - bits - 1;
      all[granule] = static_cast<std::uint8_t>((doubling << bits) + (granule >> doubling));
    }
    return all;
  }
  static const Table kEighths;
  static const Table kQuarters;

  const std::uint8_t* table_;
  std::size_t bits_;  // two to their power classes a doubling
  std::size_t granule_bits_ = std::countr_zero(kGranule);
  std::size_t largest_;  // bytes of the largest class; 0 when there is none
};

}  // namespace headrace::core
