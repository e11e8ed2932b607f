// SPDX-License-Identifier: Apache-2.0
// Capture of streams: which streams and events take part, and what captures forbid.
#include "fake_cuda/capture.h"

#include "fake_cuda/context.h"
#include "fake_cuda/entries.h"
#include "fake_cuda/graph.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/stream.h"

#include <algorithm>
#include <set>
#include <utility>

namespace headrace::fake_cuda {

namespace {

std::vector<std::shared_ptr<Capture>>& captures() {
  static auto* const kCaptures = new std::vector<std::shared_ptr<Capture>>;
  return *kCaptures;
}

/// Whether `capture` keeps this thread from potentially unsafe calls; as
/// cuThreadExchangeStreamCaptureMode describes it.
bool forbids_unsafe(const Capture& capture) {
  const bool is_own = capture.thread == std::this_thread::get_id();
  const bool is_own_strict = is_own && capture.mode != CU_STREAM_CAPTURE_MODE_RELAXED;
  switch (this_thread().mode) {
    case CU_STREAM_CAPTURE_MODE_GLOBAL:
      return is_own_strict || (!is_own && capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
    case CU_STREAM_CAPTURE_MODE_THREAD_LOCAL:
      return is_own_strict;
    default:
      return false;
  }
}

void end(const std::shared_ptr<Capture>& capture) {
  capture->is_over = true;
  for (const auto& stream : capture->streams) {
    stream->capture = nullptr;
    stream->tail.clear();
  }
  std::erase(captures(), capture);
}

/// Whether all of a capture's nodes come before the end of its first stream.
bool is_joined(const Capture& capture) {
  std::set<std::size_t> seen;
  std::vector<std::size_t> open = capture.origin->tail;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (seen.insert(node).second) {
      const auto& after = capture.graph->nodes[node].after;
      open.insert(open.end(), after.begin(), after.end());
    }
  }
  return seen.size() == capture.graph->nodes.size();
}

}  // namespace

CUresult may_call_unsafe() {
  CUresult result = CUDA_SUCCESS;
  for (const auto& capture : captures()) {
    if (forbids_unsafe(*capture)) {
      capture->is_invalid = true;
      result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
  }
  return result;
}

CUresult may_use_legacy(const Context& context, bool breaks) {
  CUresult result = CUDA_SUCCESS;
  for (const auto& stream : context.streams) {
    if (stream->is_blocking && stream->capture) {
      stream->capture->is_invalid |= breaks;
      result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
  }
  return result;
}

CUresult refuse(Stream& stream) {
  stream.capture->is_invalid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult record_captured(Stream& stream, Event& event) {
  if (stream.capture->is_invalid) {
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  event.capture = stream.capture;
  event.nodes = stream.tail;
  event.last = nullptr;
  return CUDA_SUCCESS;
}

CUresult wait_captured(const std::shared_ptr<Stream>& stream, const Event& event) {
  if (!event.capture) {
    if (!event.last) {
      return CUDA_SUCCESS;
    }
    stream->capture->is_invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  if (event.capture->is_over) {
    return CUDA_ERROR_CAPTURED_EVENT;
  }
  if (stream->is_legacy) {
    event.capture->is_invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  if (stream->capture && stream->capture != event.capture) {
    stream->capture->is_invalid = true;
    event.capture->is_invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  if (!stream->capture) {
    stream->capture = event.capture;
    event.capture->streams.push_back(stream);
  }
  std::ranges::copy_if(event.nodes, std::back_inserter(stream->tail), [&](std::size_t node) {
    return std::ranges::find(stream->tail, node) == stream->tail.end();
  });
  return CUDA_SUCCESS;
}

void drop_capture(CUstream handle, CUgraph* graph) {
  *graph = nullptr;
  std::shared_ptr<Stream> stream;
  if (find_stream(handle, stream) == CUDA_SUCCESS && stream->capture) {
    end(stream->capture);
  }
}

CUresult fake_cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
  if (handle == nullptr || handle == CU_STREAM_LEGACY) {
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  std::shared_ptr<Stream> stream;
  if (const CUresult result = find_stream(handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  if (stream->capture) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  auto capture = std::make_shared<Capture>();
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream.get();
  capture->streams = {stream};
  capture->graph = std::make_shared<Graph>();
  stream->capture = capture;
  captures().push_back(std::move(capture));
  return CUDA_SUCCESS;
}

CUresult fake_cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  *graph = nullptr;
  std::shared_ptr<Stream> stream;
  if (const CUresult result = find_stream(handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  if (capture->origin != stream.get()) {
    capture->is_invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      capture->thread != std::this_thread::get_id()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  const bool has_loose_ends = !is_joined(*capture);
  end(capture);
  if (capture->is_invalid) {
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  if (has_loose_ends) {
    return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  *graph = hand_over(capture->graph);
  return CUDA_SUCCESS;
}

CUresult fake_cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  *status = CU_STREAM_CAPTURE_STATUS_NONE;
  if (handle == nullptr || handle == CU_STREAM_LEGACY) {
    const auto context = current();
    const CUresult result = state_of(context);
    return result == CUDA_SUCCESS ? may_use_legacy(*context, false) : result;
  }
  std::shared_ptr<Stream> stream;
  if (const CUresult result = find_stream(handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  if (stream->capture) {
    *status = stream->capture->is_invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                          : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  }
  return CUDA_SUCCESS;
}

}  // namespace headrace::fake_cuda
