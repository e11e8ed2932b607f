// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "cli/bench/measurement.h"
#include "cli/bench/rounds.h"

#include <cstddef>
#include <vector>

namespace headrace::cli {

/// All that `headrace bench` found.
struct BenchReport {
  DeviceInfo device;
  std::size_t threads = 1;
  Effort effort;
  std::vector<Measurement> measurements = {};
};

}  // namespace headrace::cli
