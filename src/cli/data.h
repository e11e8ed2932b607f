// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include <filesystem>
#include <memory>
#include <string>

namespace headrace::cli {

/// `open_source` for PATH and --split, whose errors name the option. \throws Error  as it.
std::shared_ptr<SampleSource> open_data(const std::filesystem::path& path,
                                        const std::string& split);

}  // namespace headrace::cli
