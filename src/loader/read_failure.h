// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "loader/slot.h"

#include <cstdint>
#include <exception>
#include <string_view>

namespace headrace::loader {

/// Turns the exception being handled into the failure of one sample: an Error of the same code
/// (`io` for an exception that is not Headrace's) that names the sample and the source, with the
/// original nested in it. The exception itself when there is no memory for another.
RowFailure sample_failure(std::size_t row, std::uint64_t sample, std::string_view source) noexcept;

/// The same for a serial source's whole batch.
std::exception_ptr batch_failure(std::uint64_t batch) noexcept;

}  // namespace headrace::loader
