// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <cstddef>
#include <string_view>

namespace headrace::sources {

/// Checks a spec that a user gave for samples of inputs and labels alone.
///
/// \param what  What they are, for the errors: "Samples in memory".
/// \throws Error  `invalid_argument` when it has fields, or inputs without elements.
void check_spec(std::string_view what, const SampleSpec& spec);

/// Bytes of one part of a sample. \throws Error  `invalid_argument` when memory cannot hold them.
std::size_t part_bytes(std::string_view part, const Shape& shape, DataType dtype);

}  // namespace headrace::sources
