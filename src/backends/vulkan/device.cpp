// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/device.h"

#include "backends/vulkan/geometry.h"
#include "backends/vulkan/stream.h"

namespace headrace::vulkan {

namespace {
constexpr std::size_t kGranularity = std::size_t{1} << 20;
}  // namespace

DeviceCaps Device::caps() const {
  return {.unified_memory = context_->facts().info.unified_memory,
          .alignment = kBindAlignment,
          .granularity = kGranularity};
}

std::shared_ptr<BackendStream> Device::make_stream() {
  context_->require_alive();
  return std::make_shared<Stream>(context_);
}

}  // namespace headrace::vulkan
