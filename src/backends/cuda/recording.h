// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/graph.h"
#include "backends/cuda/kept_work.h"

#include <memory>
#include <vector>

namespace headrace::cuda {

class Context;

/// What `BackendStream::prepare` leaves for `submit`: the commands of a submission with launches
/// among them, as a graph.
struct Recording {
  Graph graph;  ///< Null when recording failed as a whole.
  std::vector<Span> spans;
  std::vector<EventHold> events;  ///< That the graph records, also those of no span.
};

/// Records the commands, up to the first that throws, of which the outcome is told. The context is
/// current; no lock is held.
std::shared_ptr<Recording> record(Submission& submission, Context& context);

}  // namespace headrace::cuda
