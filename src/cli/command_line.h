// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/options.h"

#include <string>

namespace headrace::cli {

/// Reads the command line. \throws UsageError  when it is wrong.
Command parse_command_line(int argc, const char* const* argv);

/// Where to read how it should be: "See headrace stream --help."
std::string help_hint(int argc, const char* const* argv);

}  // namespace headrace::cli
