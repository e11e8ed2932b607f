// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::cli {

/// Bytes of a block of a tar archive: members begin at multiples of it, and two of zeros end it.
inline constexpr std::size_t kTarBlock = 512;

/// `size` rounded up to whole blocks.
constexpr std::uint64_t tar_blocks(std::uint64_t size) {
  return (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

/// The header of a file in a tar archive, of the dialect ustar: the same bytes at any time and for
/// any user.
///
/// \param name  At most 100 bytes.
/// \param size  Below 8 GiB.
std::string tar_header(std::string_view name, std::uint64_t size);

}  // namespace headrace::cli
