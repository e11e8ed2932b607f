// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/shape.h"
#include "headrace/source.h"

#include "sources/file_part.h"
#include "sources/mapped_file.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace headrace::sources {

/// What a file's header says about the one array behind it, not yet checked against the file.
struct ArrayHeader {
  std::span<const std::int64_t> extents;  ///< None negative; the first counts the samples.
  DataType dtype = DataType::uint8;
  bool is_big_endian = false;
  std::size_t shape_offset = 0;  ///< Where the header states the extents, for errors.
  std::size_t data_offset = 0;   ///< First byte of the elements, at most the file's size.
  std::size_t data_end = 0;      ///< First byte behind them; 0 says the end of the file.
};

/// An array in a file, sample after sample.
struct ArrayFile {
  std::shared_ptr<const MappedFile> file;
  std::span<const std::byte> data;
  std::size_t sample_count = 0;
  Shape sample_shape;
  DataType dtype = DataType::uint8;
  std::size_t sample_bytes = 0;
  bool is_swapped = false;  ///< Elements of several bytes, the highest first.
};

/// Checks that the elements of `header`'s array are exactly the bytes there are for them.
///
/// \returns Bytes of all elements.
/// \throws Error  `corrupt_data` when the shape overflows, or there are too few or too many bytes;
///                `unsupported` for more than 8 dimensions.
std::size_t check_data(const FilePart& file, const ArrayHeader& header);

/// Checks `header` against the file.
///
/// \throws Error  `corrupt_data` when the shape overflows, or there are too few or too many bytes
///                for it; `unsupported` when the array has no samples (rank 0), samples
///                without elements, or more than 8 dimensions.
ArrayFile check_array(std::shared_ptr<const MappedFile> file, const ArrayHeader& header);

/// The source of `inputs`' samples, with their labels if there are any. It is a RowSource unless
/// bytes must be swapped.
///
/// \throws Error  `invalid_argument` naming both files when their numbers of samples differ.
std::shared_ptr<SampleSource> make_array_source(const ArrayFile& inputs,
                                                const std::optional<ArrayFile>& labels,
                                                std::string name);

}  // namespace headrace::sources
