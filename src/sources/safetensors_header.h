// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "sources/mapped_file.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace headrace::sources {

/// What a safetensors file's header says about one tensor, checked against the file: shape and type
/// need exactly the bytes from `begin` to `end`. Offsets are from the start of the file.
struct SafetensorsEntry {
  std::string name;
  std::size_t name_offset = 0;  ///< Just behind the name in the header, for errors.
  DataType dtype = DataType::uint8;
  std::vector<std::int64_t> extents;  ///< At most 8, none negative.
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Whether `bytes` begin as a safetensors file does: the length of a header of at most 100 MB, and
/// its opening brace.
bool has_safetensors_signature(std::span<const std::byte> bytes);

/// Reads the header of `file`. \returns Its tensors in the order of their data, which fills the
/// file without holes.
///
/// \throws Error  `corrupt_data` when the header is not what the format says, or disagrees with
///                itself or with the file; `unsupported` for an element type that DataType lacks
///                and for more than 8 dimensions.
std::vector<SafetensorsEntry> read_safetensors_header(const MappedFile& file);

}  // namespace headrace::sources
