// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include <cstdio>

namespace headrace::core {

void log_error(std::string_view text) noexcept {
  std::fprintf(stderr, "headrace: %.*s\n", static_cast<int>(text.size()), text.data());
}

}  // namespace headrace::core
