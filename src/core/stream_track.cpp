// SPDX-License-Identifier: Apache-2.0
#include "core/stream_track.h"

#include <fmt/format.h>

namespace headrace::core {

void record_on_track(Submission& submission,
                     const StreamState& stream,
                     const std::shared_ptr<Trace>& trace) {
  if (trace) {
    submission.trace = trace;
    submission.track = fmt::format("{} stream {}", stream.device().info().spec, stream.id());
  }
}

}  // namespace headrace::core
