// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headrace::cli {

/// Makes the process end with a line of its own and exit code 1, instead of in silence, when it
/// reads a mapped file beyond its end: somebody has shortened it.
void tell_of_shortened_files();

}  // namespace headrace::cli
