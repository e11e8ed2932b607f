// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::cli {

/// `text` without line ends, for messages that must be one line.
std::string one_line(std::string_view text);

/// "uint8 [8, 8]".
std::string describe_part(const Shape& shape, DataType dtype);

/// Bytes of one element of a sample.
std::uint64_t part_bytes(const Shape& shape, DataType dtype);

/// Bytes of a sample, label and fields included.
std::uint64_t sample_bytes(const SampleSpec& spec);

/// Whether samples have labels.
bool has_labels(const SampleSpec& spec);

}  // namespace headrace::cli
