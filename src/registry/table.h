// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <memory>
#include <vector>

namespace headrace::registry {

/// Makes one of each backend that this library was built with, in the order of `HEADRACE_BACKENDS`.
/// No driver is touched: a backend without devices is in the list too.
std::vector<std::unique_ptr<Backend>> make_builtin_backends();

}  // namespace headrace::registry
