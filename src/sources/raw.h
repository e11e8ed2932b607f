// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <filesystem>
#include <memory>

namespace headrace::sources {

/// Opens a file of records without a header, one behind the other: each an input, then its label,
/// with nothing between them, as `spec` says and in the machine's order of bytes.
///
/// \throws Error  `corrupt_data` when the file holds no whole number of records; `invalid_argument`
///                for a spec with fields, or inputs without elements; `io` and `unsupported` as a
///                MappedFile.
std::shared_ptr<SampleSource> open_raw(const std::filesystem::path& path, SampleSpec spec);

}  // namespace headrace::sources
