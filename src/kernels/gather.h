// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/level.h"

#include <cstddef>

namespace headrace::kernels {

/// Copies every `stride`-th of a row of elements: one channel out of interleaved pixels.
///
/// Threads: safe from any thread; allocates nothing.
///
/// \param source  The first element to copy, at any alignment.
/// \param stride  At least 1.
/// \param target  Room for `count` elements, at any alignment; must not overlap.
/// \param size    Bytes of an element: 1, 2, 4 or 8.
/// \param level   Instructions to use, which the processor must have.
void gather(const std::byte* source,
            std::size_t stride,
            std::byte* target,
            std::size_t count,
            std::size_t size,
            Level level) noexcept;

}  // namespace headrace::kernels
