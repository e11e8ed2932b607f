// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/file_part.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace headrace::sources {

/// The header of a `.npy` file. Offsets are from the start of the file.
struct NpyHeader {
  std::string_view descr;  ///< Element type in NumPy's words, "<f4"; lies in the file.
  std::size_t descr_offset = 0;
  bool is_fortran_order = false;
  std::size_t fortran_order_offset = 0;
  std::vector<std::int64_t> extents;  ///< None negative.
  std::size_t shape_offset = 0;
  std::size_t data_offset = 0;  ///< First byte behind the header, at most the file's size.
};

/// Whether `bytes` begin with the mark of a `.npy` file.
bool has_npy_signature(std::span<const std::byte> bytes);

/// Reads the header of `file`: a Python dictionary with exactly the keys 'descr', 'fortran_order'
/// and 'shape', in any order and spacing.
///
/// \throws Error  `corrupt_data` for anything else; `unsupported` for a version other than 1.0, 2.0
///                and 3.0, a header of more than 65,535 bytes, or an element type that is a record.
NpyHeader read_npy_header(const FilePart& file);

}  // namespace headrace::sources
