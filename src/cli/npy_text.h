// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/shape.h"

#include <string>

namespace headrace::cli {

/// What stands in a `.npy` file before the elements.
///
/// \throws Error  `unsupported` for a type that NumPy has no name for.
std::string npy_header(const Shape& shape, DataType dtype);

}  // namespace headrace::cli
