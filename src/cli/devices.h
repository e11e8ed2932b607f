// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <span>
#include <string>

namespace headrace::cli {

/// A table with a line for each of `devices`; UUIDs have a column when one of them has one.
std::string devices_text(std::span<const DeviceInfo> devices);

}  // namespace headrace::cli
