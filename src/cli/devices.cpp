// SPDX-License-Identifier: Apache-2.0
#include "cli/devices.h"

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

std::string devices_text(std::span<const DeviceInfo> devices) {
  std::size_t spec_width = 6;
  std::size_t uuid_width = 0;
  for (const DeviceInfo& device : devices) {
    spec_width = std::max(spec_width, device.spec.size());
    uuid_width = std::max(uuid_width, device.uuid.size());
  }
  const auto line = [&](const auto& spec,
                        const auto& backend,
                        const auto& memory,
                        const auto& uuid,
                        const auto& name) {
    const std::string with_uuid = uuid_width == 0 ? "" : fmt::format("{:<{}}  ", uuid, uuid_width);
    return fmt::format(
        "{:<{}}  {:<8}  {:>9}  {}{}\n", spec, spec_width, backend, memory, with_uuid, name);
  };
  std::string text = line("DEVICE", "BACKEND", "MEMORY", "UUID", "NAME");
  for (const DeviceInfo& device : devices) {
    text +=
        line(device.spec, device.backend, bytes_text(device.total_bytes), device.uuid, device.name);
  }
  return text;
}

int run(const DevicesOptions& options) {
  check_outputs({{"--json", options.json == "-" ? "" : options.json}});
  const std::vector<DeviceInfo> devices = list_devices();
  print_results(devices_text(devices), options.json);
  write_json(to_json(devices), options.json);
  return 0;
}

}  // namespace headrace::cli
