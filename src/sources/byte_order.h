// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace headrace::sources {

/// Reverses the bytes of each element of `bytes`; of one byte, nothing.
void reverse_elements(std::span<std::byte> bytes, std::size_t element_bytes);

}  // namespace headrace::sources
