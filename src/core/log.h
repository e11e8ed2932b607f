// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace headrace::core {

/// Writes one line to standard error, for failures that cannot be thrown. Never throws.
void log_error(std::string_view text) noexcept;

}  // namespace headrace::core
