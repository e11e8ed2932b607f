// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>

#include <memory>
#include <thread>
#include <vector>

namespace headrace::fake_cuda {

struct Context;
struct Event;
struct Graph;
struct Stream;

/// A capture under way.
struct Capture {
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::thread::id thread;
  Stream* origin = nullptr;
  std::vector<std::shared_ptr<Stream>> streams;
  std::shared_ptr<Graph> graph;
  bool is_invalid = false;
  bool is_over = false;
};

/// Whether the calling thread may make a call that captures elsewhere forbid. What forbids it is
/// broken by it.
CUresult may_call_unsafe();

/// Whether the legacy stream of a context may be used; not while a blocking stream is captured.
CUresult may_use_legacy(const Context& context, bool breaks);

/// Ends a stream's capture with nothing to show for it.
void drop_capture(CUstream handle, CUgraph* graph);

/// Breaks the capture of a stream that something was asked of that no captured stream can do.
CUresult refuse(Stream& stream);

/// What an event and a stream mean to each other when one of them is captured.
CUresult record_captured(Stream& stream, Event& event);
CUresult wait_captured(const std::shared_ptr<Stream>& stream, const Event& event);

}  // namespace headrace::fake_cuda
