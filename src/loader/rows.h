// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/tail.h"

#include "loader/slot.h"

namespace headrace::loader {

/// Makes the rows of a slot whose reading is over what its batch promises: closes the gaps of rows
/// that could not be read, then repeats or zeroes what the tail wants filled. Sets `rows`, `valid`
/// and the lease's sample ids.
void settle_rows(Slot& slot, Tail tail);

}  // namespace headrace::loader
