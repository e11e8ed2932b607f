// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/format.h"

namespace headrace::sources {

/// Folders of images, whose folder is their class.
extern const Format kImageFolderFormat;

}  // namespace headrace::sources
