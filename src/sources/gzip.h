// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/mapped_file.h"

namespace headrace::sources {

/// Throws `unsupported` with the way out when `file` is compressed with gzip.
void refuse_gzip(const MappedFile& file);

}  // namespace headrace::sources
