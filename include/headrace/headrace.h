// SPDX-License-Identifier: Apache-2.0
/// \file
/// Everything a user of Headrace needs but what is opt-in: `backend.h`, `testing.h`, `fmt.h`
/// and `cuda_memory_resource.h`.
#pragma once

#include "headrace/buffer.h"             // IWYU pragma: export
#include "headrace/buffer_pool.h"        // IWYU pragma: export
#include "headrace/capture_scope.h"      // IWYU pragma: export
#include "headrace/command_buffer.h"     // IWYU pragma: export
#include "headrace/completion.h"         // IWYU pragma: export
#include "headrace/data_type.h"          // IWYU pragma: export
#include "headrace/device.h"             // IWYU pragma: export
#include "headrace/error.h"              // IWYU pragma: export
#include "headrace/host_registration.h"  // IWYU pragma: export
#include "headrace/image_check.h"        // IWYU pragma: export
#include "headrace/loader.h"             // IWYU pragma: export
#include "headrace/memory_manager.h"     // IWYU pragma: export
#include "headrace/memory_resource.h"    // IWYU pragma: export
#include "headrace/memory_tag.h"         // IWYU pragma: export
#include "headrace/shape.h"              // IWYU pragma: export
#include "headrace/source.h"             // IWYU pragma: export
#include "headrace/staging.h"            // IWYU pragma: export
#include "headrace/stats.h"              // IWYU pragma: export
#include "headrace/stream.h"             // IWYU pragma: export
#include "headrace/tensor.h"             // IWYU pragma: export
#include "headrace/version.h"            // IWYU pragma: export
#include "headrace/weights.h"            // IWYU pragma: export
