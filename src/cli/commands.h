// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/options.h"

namespace headrace::cli {

// Each runs one command and gives the exit code. \throws std::exception  for a failure, exit
// code 1.

int run(const ShowText& options);
int run(const DevicesOptions& options);
int run(const InspectOptions& options);
int run(const StreamOptions& options);
int run(const PackOptions& options);
int run(const BenchOptions& options);

}  // namespace headrace::cli
