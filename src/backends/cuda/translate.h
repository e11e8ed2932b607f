// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/operation.h"

#include <vector>

namespace headrace::cuda {

class Context;

/// Appends what `command`, which is no launch, comes to; nothing for no elements. The context is
/// current. \returns Whether it may be part of a graph: no copy from or to another device.
bool translate(const Command& command, Context& context, std::vector<Operation>& operations);

}  // namespace headrace::cuda
