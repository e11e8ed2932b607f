// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace headrace::kernels {

/// Copies `bytes` bytes between places that do not overlap, for a reader that has no use for the
/// processor's caches, as a device that copies from host memory: the target is written past them
/// where the processor can, which spares the memory a read of what is written over. Everything is
/// visible to whoever hears of the copy from this thread, devices included.
void copy_past_caches(std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

}  // namespace headrace::kernels
