// SPDX-License-Identifier: Apache-2.0
// Streams: what is issued to them, in which order it may run, and waiting for it.
#include "fake_cuda/stream.h"

#include "fake_cuda/capture.h"
#include "fake_cuda/context.h"
#include "fake_cuda/entries.h"
#include "fake_cuda/graph.h"
#include "fake_cuda/handles.h"
#include "fake_cuda/kernel.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/memory.h"
#include "fake_cuda/scheduler.h"

#include <algorithm>
#include <utility>

namespace headrace::fake_cuda {

namespace {

Handles<CUstream, Stream>& streams() {
  static auto* const kStreams = new Handles<CUstream, Stream>;
  return *kStreams;
}

/// The stream of a handle, whatever may be done with it.
CUresult look_up(CUstream handle, std::shared_ptr<Stream>& stream) {
  if (handle == CU_STREAM_PER_THREAD) {
    violate("the fake has no per-thread default streams");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (handle == nullptr || handle == CU_STREAM_LEGACY) {
    const auto context = current();
    if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
      return result;
    }
    stream = context->legacy;
    return CUDA_SUCCESS;
  }
  stream = streams().find(handle);
  if (!stream) {
    violate("a stream was used that does not exist");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return state_of(stream->context);
}

/// Work issued from pageable memory reads it before the call returns.
void stage(Work& work) {
  auto* copy = std::get_if<Copy>(&work);
  if (copy != nullptr) {
    const Place from = place_of(copy->from, copy->bytes);
    if (from.kind == Place::Kind::pageable) {
      copy->staged =
          std::make_shared<const std::vector<std::byte>>(from.bytes, from.bytes + copy->bytes);
    }
  }
}

/// Work issued to pageable memory is done when the call returns.
bool is_synchronous(const Work& work) {
  const auto* copy = std::get_if<Copy>(&work);
  return copy != nullptr && place_of(copy->to, copy->bytes).kind == Place::Kind::pageable;
}

CUresult fill(
    CUdeviceptr to, unsigned value, unsigned element_bytes, std::size_t count, CUstream stream) {
  return issue(stream, Fill{to, value, element_bytes, count});
}

}  // namespace

CUresult find_stream(CUstream handle, std::shared_ptr<Stream>& stream) {
  const CUresult result = look_up(handle, stream);
  if (result == CUDA_SUCCESS && stream->is_legacy) {
    return may_use_legacy(*stream->context, true);
  }
  return result;
}

std::shared_ptr<const Point> enqueue(Stream& stream, Operation operation) {
  if (stream.is_legacy) {
    for (const auto& other : stream.context->streams) {
      if (other->is_blocking && other->last) {
        operation.waits.push_back(other->last);
      }
    }
  } else if (stream.is_blocking && stream.context->legacy->last) {
    operation.waits.push_back(stream.context->legacy->last);
  }
  stream.last = operation.end;
  stream.queue.push_back(std::move(operation));
  work_came();
  return stream.last;
}

CUresult issue(CUstream handle, Work work) {
  std::shared_ptr<Stream> stream;
  if (const CUresult result = find_stream(handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  if (current() != stream->context) {
    violate("work was issued to a stream whose context is not current");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream->capture) {
    if (stream->capture->is_invalid) {
      return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    stream->tail = {append(*stream->capture->graph, std::move(work), stream->tail)};
    return CUDA_SUCCESS;
  }
  if (const CUresult result = check(work); result != CUDA_SUCCESS) {
    return result;
  }
  const bool is_waiting = is_synchronous(work);
  stage(work);
  const auto end = enqueue(*stream, {std::move(work), {}});
  return is_waiting ? wait_for(stream->context, end) : CUDA_SUCCESS;
}

CUresult wait_for(const std::shared_ptr<Context>& context,
                  const std::shared_ptr<const Point>& point) {
  wait_until([&] { return point->is_passed || state_of(context) != CUDA_SUCCESS; });
  return state_of(context);
}

int live_streams() {
  return streams().size();
}

void drop_streams_of(const Context& context) {
  streams().remove_if([&](const Stream& stream) { return stream.context.get() == &context; });
}

CUresult fake_cuStreamCreate(CUstream* handle, unsigned flags) {
  const auto context = current();
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  auto stream = std::make_shared<Stream>();
  stream->context = context;
  stream->is_blocking = (flags & CU_STREAM_NON_BLOCKING) == 0;
  stream->handle = streams().add(stream);
  context->streams.push_back(stream);
  *handle = stream->handle;
  return CUDA_SUCCESS;
}

CUresult fake_cuStreamDestroy(CUstream handle) {
  const auto stream = streams().remove(handle);
  if (!stream) {
    violate("a stream was destroyed that does not exist");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream->capture) {
    violate("a stream was destroyed while it was captured");
  }
  stream->is_destroyed = true;  // What is queued still runs.
  if (stream->queue.empty()) {
    stream->context->streams.remove(stream);
  }
  return state_of(stream->context);
}

CUresult fake_cuStreamGetCtx(CUstream handle, CUcontext* context) {
  std::shared_ptr<Stream> stream;
  if (const CUresult result = look_up(handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  *context = stream->context->handle;
  return CUDA_SUCCESS;
}

CUresult fake_cuStreamSynchronize(CUstream handle) {
  std::shared_ptr<Stream> stream;
  if (const CUresult result = find_stream(handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  if (stream->capture) {
    return refuse(*stream);
  }
  if (const CUresult result = may_call_unsafe(); result != CUDA_SUCCESS) {
    return result;
  }
  return wait_for(stream->context, enqueue(*stream, {}));
}

CUresult fake_cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
  return issue(stream, Copy{to, from, bytes, {}});
}

CUresult fake_cuMemcpyHtoDAsync(CUdeviceptr to,
                                const void* from,
                                std::size_t bytes,
                                CUstream stream) {
  return issue(stream, Copy{to, reinterpret_cast<std::uintptr_t>(from), bytes, {}});
}

CUresult fake_cuMemsetD8Async(CUdeviceptr to,
                              unsigned char value,
                              std::size_t count,
                              CUstream stream) {
  return fill(to, value, 1, count, stream);
}

CUresult fake_cuMemsetD16Async(CUdeviceptr to,
                               unsigned short value,
                               std::size_t count,
                               CUstream stream) {
  return fill(to, value, 2, count, stream);
}

CUresult fake_cuMemsetD32Async(CUdeviceptr to, unsigned value, std::size_t count, CUstream stream) {
  return fill(to, value, 4, count, stream);
}

CUresult fake_cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
  return issue(stream, HostCall{function, data});
}

}  // namespace headrace::fake_cuda
