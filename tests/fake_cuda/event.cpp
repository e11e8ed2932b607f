// SPDX-License-Identifier: Apache-2.0
// Events. Recording one notes the place its stream has reached; a wait means the place that the
// event has when the wait is issued, whatever is recorded later.
#include "fake_cuda/capture.h"
#include "fake_cuda/context.h"
#include "fake_cuda/entries.h"
#include "fake_cuda/graph.h"
#include "fake_cuda/handles.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/stream.h"

#include <utility>

namespace headrace::fake_cuda {

namespace {

Handles<CUevent, Event>& events() {
  static auto* const kEvents = new Handles<CUevent, Event>;
  return *kEvents;
}

/// What stands in the way of asking an event, or waiting for it.
CUresult may_ask(const std::shared_ptr<Event>& event) {
  if (!event) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (const CUresult result = state_of(event->context); result != CUDA_SUCCESS) {
    return result;
  }
  if (event->capture) {
    event->capture->is_invalid = true;
    return CUDA_ERROR_CAPTURED_EVENT;
  }
  return may_call_unsafe();
}

}  // namespace

std::shared_ptr<Event> find_event(CUevent handle) {
  auto event = events().find(handle);
  if (!event) {
    violate("an event was used that does not exist");
  }
  return event;
}

int live_events() {
  return events().size();
}

CUresult fake_cuEventCreate(CUevent* handle, unsigned flags) {
  const auto context = current();
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  auto event = std::make_shared<Event>();
  event->context = context;
  event->has_time = (flags & CU_EVENT_DISABLE_TIMING) == 0;
  *handle = events().add(std::move(event));
  return CUDA_SUCCESS;
}

CUresult fake_cuEventDestroy(CUevent handle) {
  const auto event = events().remove(handle);
  if (!event) {
    violate("an event was destroyed that does not exist");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return state_of(event->context);
}

CUresult fake_cuEventRecord(CUevent handle, CUstream stream) {
  return fake_cuEventRecordWithFlags(handle, stream, CU_EVENT_RECORD_DEFAULT);
}

CUresult fake_cuEventRecordWithFlags(CUevent handle, CUstream stream_handle, unsigned flags) {
  const auto event = find_event(handle);
  std::shared_ptr<Stream> stream;
  if (!event) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (const CUresult result = find_stream(stream_handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  if (event->context != stream->context) {
    violate("an event was recorded in a stream of another context");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (flags == CU_EVENT_RECORD_EXTERNAL) {
    return stream->capture ? issue(stream_handle, EventNode{event}) : CUDA_ERROR_INVALID_VALUE;
  }
  if (stream->capture) {
    return record_captured(*stream, *event);
  }
  event->capture = nullptr;
  event->last = enqueue(*stream, {});
  return CUDA_SUCCESS;
}

CUresult fake_cuEventQuery(CUevent handle) {
  const auto event = find_event(handle);
  if (const CUresult result = may_ask(event); result != CUDA_SUCCESS) {
    return result;
  }
  return !event->last || event->last->is_passed ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult fake_cuEventSynchronize(CUevent handle) {
  const auto event = find_event(handle);
  if (const CUresult result = may_ask(event); result != CUDA_SUCCESS) {
    return result;
  }
  return event->last ? wait_for(event->context, event->last) : CUDA_SUCCESS;
}

CUresult fake_cuEventElapsedTime(float* milliseconds, CUevent begin_handle, CUevent end_handle) {
  const auto begin = find_event(begin_handle);
  const auto end = find_event(end_handle);
  if (!begin || !end || !begin->has_time || !end->has_time || begin->context != end->context ||
      !begin->last || !end->last) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (const CUresult result = state_of(begin->context); result != CUDA_SUCCESS) {
    return result;
  }
  if (!begin->last->is_passed || !end->last->is_passed) {
    return CUDA_ERROR_NOT_READY;
  }
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->last->time - begin->last->time).count();
  return CUDA_SUCCESS;
}

CUresult fake_cuStreamWaitEvent(CUstream stream_handle, CUevent handle, unsigned /*flags*/) {
  const auto event = find_event(handle);
  std::shared_ptr<Stream> stream;
  if (!event) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (const CUresult result = find_stream(stream_handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  if (const CUresult result = state_of(event->context); result != CUDA_SUCCESS) {
    return result;
  }
  if (stream->capture || event->capture) {
    return wait_captured(stream, *event);
  }
  if (event->last) {
    enqueue(*stream, {Nothing{}, {event->last}});
  }
  return CUDA_SUCCESS;
}

}  // namespace headrace::fake_cuda
