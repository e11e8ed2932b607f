// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::cli {

/// `text` as a terminal can show it in one line: line ends, other control characters and what is
/// not UTF-8, all of which names of files may have, as "\n" or "\x1b".
std::string one_line(std::string_view text);

/// "1 sample", "2 samples".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

/// "uint8 [8, 8]".
std::string describe_part(const Shape& shape, DataType dtype);

/// Bytes of one element of a sample.
std::uint64_t part_bytes(const Shape& shape, DataType dtype);

/// Bytes of a sample, label and fields included.
std::uint64_t sample_bytes(const SampleSpec& spec);

/// Whether samples have labels.
bool has_labels(const SampleSpec& spec);

}  // namespace headrace::cli
