// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <filesystem>
#include <memory>

namespace headrace::cli {

/// Opens the data that a command was given.
///
/// \throws Error  What `open_source` throws, with options called as the command line calls them.
std::shared_ptr<SampleSource> open_data(const std::filesystem::path& path,
                                        const SourceOptions& options);

}  // namespace headrace::cli
