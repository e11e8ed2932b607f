// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/format.h"

namespace headrace::sources {

/// NumPy's `.npy`, versions 1.0, 2.0 and 3.0: one array in C order, mapped and used as it lies.
///
/// A folder of it holds `inputs.npy` and `labels.npy`. Elements are boolean (the bytes stay as they
/// are), signed or unsigned integers of 1 to 8 bytes, or floating point of 2 to 8, the lowest byte
/// first. All else is refused: Fortran order, Python objects, records, complex numbers, strings,
/// dates, and the untyped bytes as which NumPy stores bfloat16 and 8-bit floating point.
extern const Format kNpyFormat;

}  // namespace headrace::sources
