// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::fake_cuda {

/// Whether all of the process's `size` bytes at `address` are mapped, to be read or to be written.
bool is_mapped(std::uintptr_t address, std::size_t size, bool is_to_be_written);

}  // namespace headrace::fake_cuda
