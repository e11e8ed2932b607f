// SPDX-License-Identifier: Apache-2.0
// The command `headrace bench`.
#include "cli/amounts.h"
#include "cli/bench/groups.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/outputs.h"
#include "cli/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

namespace headrace::cli {
namespace {

std::string heading(const BenchReport& report) {
  return fmt::format(
      "device   {} ({}), backend {}\n"
      "medians  of {} of about {} for each thing measured; peers take turns in the same rounds\n",
      report.device.spec,
      report.device.name,
      report.device.backend,
      counted(report.effort.rounds, "round", "rounds"),
      time_text(report.effort.seconds));
}

void measure(BenchGroup group, const Bench& bench) {
  switch (group) {
    case BenchGroup::memory:
      return bench_memory(bench);
    case BenchGroup::transfer:
      return bench_transfer(bench);
    case BenchGroup::convert:
      return bench_convert(bench);
    case BenchGroup::loader:
      return bench_loader(bench);
  }
}

}  // namespace

int run(const BenchOptions& options) {
  check_outputs({{"--json", options.json == "-" ? "" : options.json}});
  const std::size_t threads =
      options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  const Device device = open_device(options.device);
  BenchReport report{.device = device.info(), .threads = threads, .effort = options.effort};
  print_results(heading(report), options.json);
  const auto tell = [&](Measurement measurement) {
    print_results(to_text(measurement), options.json);
    report.measurements.push_back(std::move(measurement));
  };
  for (const BenchGroup group : options.groups) {
    print_results(
        fmt::format(
            "\n{:<44}  {:>10}  {:>10}  {:>8}\n", to_string(group), "headrace", "beside", "as fast"),
        options.json);
    measure(group,
            {.device = device,
             .memory = MemoryManager(device, {.name = "bench"}),
             .threads = threads,
             .effort = options.effort,
             .tell = tell});
  }
  write_json(to_json(report), options.json);
  return 0;
}

}  // namespace headrace::cli
