// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/operation.h"

#include <optional>

namespace headrace::cuda {

class Context;

/// The conversion that an expansion comes to when it computes nothing and moves nothing.
std::optional<ConvertCommand> as_conversion(const ExpandCommand& work);

/// The kernel for any other expansion of some samples: one of expand_bytes.cu where it can be, else
/// the plain one of convert.cu. The context is current.
KernelOperation expansion_of(const ExpandCommand& work, Context& context);

}  // namespace headrace::cuda
