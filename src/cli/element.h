// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"

#include <cstddef>
#include <cstdint>
#include <variant>

// One element at a time, written for plainness: what --verify compares the device's work with. It
// shares no code with the conversions that it checks but the rounding of the small types.

namespace headrace::cli {

/// The value of one element, exactly.
using Value = std::variant<std::int64_t, std::uint64_t, double>;

/// Reads an element of type `dtype`.
Value load_element(DataType dtype, const std::byte* from);

/// `value` rounded once to float32; a NaN becomes the positive quiet one.
float to_float(const Value& value);

/// Writes `value` as an element of type `dtype`: one rounding to nearest even; to integers toward
/// zero, saturating, NaN to 0; to boolean `value != 0`.
void store_element(DataType dtype, const Value& value, std::byte* to);

}  // namespace headrace::cli
