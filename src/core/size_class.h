// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/memory_manager.h"

#include <cstddef>

namespace headrace::core {

/// Every capacity is a multiple of this many bytes.
inline constexpr std::size_t kGranule = 256;

/// `value` rounded up to a multiple of `step`, a power of two.
///
/// \throws Error  `invalid_argument` when the result does not fit.
std::size_t checked_round_up(std::size_t value, std::size_t step);

/// `a * b`. \throws Error  `invalid_argument` when the product does not fit.
std::size_t checked_multiply(std::size_t a, std::size_t b);

/// The capacity of buffers that serve `size` bytes, at least `kGranule`; the least one of the
/// policy that is not below `size`.
std::size_t capacity_for(std::size_t size, SizeClassPolicy policy);

}  // namespace headrace::core
