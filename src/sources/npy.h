// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include "sources/array_file.h"
#include "sources/file_part.h"
#include "sources/format.h"
#include "sources/input_decoder.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headrace::sources {

/// What the header of a `.npy` file says, of an array that can be served.
struct NpyArray {
  std::vector<std::int64_t> extents;  ///< None negative.
  DataType dtype = DataType::uint8;
  bool is_big_endian = false;
  std::size_t shape_offset = 0;
  std::size_t data_offset = 0;

  /// The same, for checks against the file. Life: that of this.
  [[nodiscard]] ArrayHeader header() const;
};

/// Reads a header; not checked against the length of the file.
///
/// \throws Error  As `read_npy_header`; `unsupported` for Fortran order and other element types.
NpyArray read_npy_array(const FilePart& file);

/// Shape and type of a file that is one sample, of any rank.
///
/// \throws Error  As `read_npy_array`; `corrupt_data` when the file has another length;
///                `unsupported` when the array has no elements or more than 8 dimensions.
InputType examine_npy(const FilePart& file, const SourceOptions& options);

/// Reads such a file, lowest byte first. \throws Error  as `examine_npy`; `corrupt_data` when it
/// has not exactly `into.size()` bytes of elements.
void decode_npy(const FilePart& file,
                const ImageRules& rules,
                std::uint64_t random_key,
                std::span<std::byte> into);

/// NumPy's `.npy`, versions 1.0, 2.0 and 3.0: one array in C order, mapped and used as it lies.
///
/// A folder of it holds `inputs.npy` and `labels.npy`. Elements are boolean (the bytes stay as they
/// are), signed or unsigned integers of 1 to 8 bytes, or floating point of 2 to 8, the lowest byte
/// first. All else is refused: Fortran order, Python objects, records, complex numbers, strings,
/// dates, and the untyped bytes as which NumPy stores bfloat16 and 8-bit floating point.
extern const Format kNpyFormat;

}  // namespace headrace::sources
