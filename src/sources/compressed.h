// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/mapped_file.h"

namespace headrace::sources {

/// Throws `unsupported` with the way out when `file` begins as a compressed one does: gzip, bzip2,
/// xz, zstd or lz4. Those have no random access.
void refuse_compressed(const MappedFile& file);

}  // namespace headrace::sources
