// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <vector>

namespace headrace::registry {

/// Puts the devices that `auto` should rather take first: GPUs, of these the ones with memory of
/// their own, of these the ones with most memory. What is then equal keeps its order, so that of
/// the backends which reach one card the one listed first comes first.
void put_best_first(std::vector<DeviceInfo>& devices);

}  // namespace headrace::registry
