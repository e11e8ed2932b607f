// SPDX-License-Identifier: Apache-2.0
#include "headrace/device.h"

#include "cli/amounts.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace headrace::cli {

int run(const ShowText& options) {
  print_results(options.text, "");
  return 0;
}

int run(const DevicesOptions& options) {
  check_outputs({{"--json", options.json == "-" ? "" : options.json}});
  const std::vector<DeviceInfo> devices = list_devices();
  std::size_t width = 6;
  for (const DeviceInfo& device : devices) {
    width = std::max(width, device.spec.size());
  }
  std::string text =
      fmt::format("{:<{}}  {:<8}  {:>9}  NAME\n", "DEVICE", width, "BACKEND", "MEMORY");
  for (const DeviceInfo& device : devices) {
    text += fmt::format("{:<{}}  {:<8}  {:>9}  {}\n",
                        device.spec,
                        width,
                        device.backend,
                        bytes_text(device.total_bytes),
                        device.name);
  }
  print_results(text, options.json);
  write_json(to_json(devices), options.json);
  return 0;
}

}  // namespace headrace::cli
