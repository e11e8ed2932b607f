// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <cstdint>
#include <vector>

namespace headrace::backends {

/// The scales of a spec and its biases behind them, one a channel, as the bits of float32: as
/// numbers, -0 equals 0 and a NaN equals nothing. Ones and zeros for a spec that has none.
std::vector<std::uint32_t> coefficient_bits(const ExpandSpec& spec);

}  // namespace headrace::backends
