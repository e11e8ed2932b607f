// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/format.h"

namespace headrace::sources {

/// IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, the extents as
/// 32-bit numbers and the elements, all with the highest byte first.
///
/// A folder of it holds `PREFIX-images-idx*` and `PREFIX-labels-idx*` (or `.idx*`), the data of
/// split PREFIX. Elements of one byte are used as they lie, longer ones are turned when read.
extern const Format kIdxFormat;

}  // namespace headrace::sources
