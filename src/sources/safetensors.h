// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/format.h"

namespace headrace::sources {

/// safetensors: the tensors `inputs` and, if it is there, `labels` of one file, mapped and used as
/// they lie; the first axis counts the samples. Other tensors of the file are left alone.
extern const Format kSafetensorsFormat;

}  // namespace headrace::sources
