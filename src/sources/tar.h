// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/format.h"

namespace headrace::sources {

/// Tar shards in WebDataset's layout: each sample a `KEY.npy`, with a `KEY.cls` if there are
/// labels. A file is one shard; a folder's `*.tar` are several, in the order of their names.
extern const Format kTarFormat;

}  // namespace headrace::sources
