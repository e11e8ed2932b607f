// SPDX-License-Identifier: Apache-2.0
#include "headrace/device_type.h"

namespace headrace {

std::string_view to_string(DeviceType device_type) noexcept {
  switch (device_type) {
    case DeviceType::cpu:
      return "cpu";
    case DeviceType::gpu:
      return "gpu";
    case DeviceType::persistent_gpu:
      return "persistent_gpu";
  }
  return "unknown";
}

}  // namespace headrace
