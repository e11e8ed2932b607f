// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device.h"
#include "headrace/memory_manager.h"

#include "cli/bench/measurement.h"
#include "cli/bench/rounds.h"

#include <cstddef>
#include <functional>

namespace headrace::cli {

/// What every group measures on.
struct Bench {
  Device device;
  MemoryManager memory;     ///< Of `device`.
  std::size_t threads = 1;  ///< Of the measurements with several.
  Effort effort;
  std::function<void(Measurement)> tell;  ///< Called with each result as it is there.
};

// Each measures one group, on the calling thread. \throws Error  when the device has not enough
// memory.

void bench_memory(const Bench& bench);
void bench_transfer(const Bench& bench);
void bench_convert(const Bench& bench);
void bench_loader(const Bench& bench);

}  // namespace headrace::cli
