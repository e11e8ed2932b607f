// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/vulkan/operation.h"

#include <vector>

namespace headrace::vulkan {

/// What operations have touched since the last barrier: tells whether the next one needs another.
class Hazards {
 public:
  /// Whether an operation that reads the one and writes the other must wait for an earlier one.
  [[nodiscard]] bool has(const Range& read, const Range& written) const;
  void note(const Range& read, const Range& written);
  /// From now on everything must wait for what comes next, whatever that touches.
  void note_everything() { touches_everything_ = true; }
  void clear();

 private:
  struct Access {
    Range range;
    bool is_write = false;
  };
  std::vector<Access> accesses_;
  bool touches_everything_ = false;
};

}  // namespace headrace::vulkan
