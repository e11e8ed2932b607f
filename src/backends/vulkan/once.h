// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/vulkan/recording.h"

#include <cstdint>
#include <memory>

namespace headrace::vulkan {

class Context;

/// Work of the backend's own, recorded, run on a compute queue and waited for.
class Once {
 public:
  /// Begins recording, with room for so many times. \throws Error  as the device says.
  explicit Once(Context& context, std::uint32_t times = 0);
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;
  ~Once();

  [[nodiscard]] Recording& recording() noexcept { return *recording_; }
  /// Ends recording, runs it and waits.
  void run();

 private:
  Context& context_;
  std::unique_ptr<Recording> recording_;
};

}  // namespace headrace::vulkan
