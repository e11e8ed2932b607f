// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "kernels/level.h"

#include <cstddef>

namespace headrace::kernels {

/// Converts `count` elements from one data type to another on the calling thread.
///
/// To floating point: one rounding, to nearest with ties to even; out of range becomes infinity
/// (NaN for float8_e4m3); a NaN becomes the target's positive quiet NaN. To integers: toward zero,
/// saturating, NaN to 0. To boolean: `x != 0`. From boolean: any byte but 0 is 1. The same type is
/// copied byte by byte. docs/design/002-numerics.md gives reasons.
///
/// Needs the default floating-point environment: round to nearest, subnormals not flushed.
/// Threads: safe from any thread; allocates nothing.
///
/// \param source  `count` elements of type `from`, at any alignment.
/// \param target  Room for `count` elements of type `to`, at any alignment; must not overlap.
/// \param level   Instructions to use, which the processor must have; the results are the same.
void convert(const std::byte* source,
             DataType from,
             std::byte* target,
             DataType to,
             std::size_t count,
             Level level = best_level()) noexcept;

}  // namespace headrace::kernels
