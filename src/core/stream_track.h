// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/trace.h"

#include "core/timeline.h"

#include <memory>

namespace headrace::core {

/// Has the commands of `submission`, which is for `stream`, recorded on that stream's track of
/// `trace`; nothing for no trace.
void record_on_track(Submission& submission,
                     const StreamState& stream,
                     const std::shared_ptr<Trace>& trace);

}  // namespace headrace::core
