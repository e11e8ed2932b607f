// SPDX-License-Identifier: Apache-2.0
// Devices, their primary contexts, and which context is current on a thread.
#include "fake_cuda/context.h"

#include "fake_cuda/entries.h"
#include "fake_cuda/handles.h"
#include "fake_cuda/kernel.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/memory.h"
#include "fake_cuda/stream.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace headrace::fake_cuda {

namespace {

struct DeviceState {
  int retained = 0;
  std::shared_ptr<Context> primary;
  std::pair<int, int> capability{9, 0};
};

struct State {
  std::array<DeviceState, kDevices> devices;
  Handles<CUcontext, Context> handles;
  bool has_peer_access = true;
};

State& state() {
  static auto* const kState = new State;
  return *kState;
}

bool is_device(CUdevice device) {
  return device >= 0 && device < kDevices;
}

std::shared_ptr<Context> make_context(int device) {
  auto context = std::make_shared<Context>();
  context->device = device;
  context->handle = state().handles.add(context);
  context->legacy = std::make_shared<Stream>();
  context->legacy->context = context;
  context->legacy->is_legacy = true;
  context->streams.push_back(context->legacy);
  return context;
}

void destroy(const std::shared_ptr<Context>& context) {
  if (!context->is_lost && synchronize(context) != CUDA_SUCCESS) {
    violate("a context was lost while it was destroyed");
  }
  context->is_gone = true;
  drop_streams_of(*context);
  drop_modules_of(*context);
  drop_memory_of(*context);
  context->streams.clear();
  context->legacy.reset();
  state().handles.remove(context->handle);
  changed().notify_all();
}

}  // namespace

Thread& this_thread() {
  static thread_local Thread thread;
  return thread;
}

std::shared_ptr<Context> current() {
  const auto& stack = this_thread().contexts;
  return stack.empty() ? nullptr : stack.back();
}

CUresult state_of(const std::shared_ptr<Context>& context) {
  if (!context) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (context->is_gone) {
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  return context->is_lost ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

std::vector<std::shared_ptr<Context>> contexts() {
  std::vector<std::shared_ptr<Context>> all;
  for (const DeviceState& device : state().devices) {
    if (device.primary) {
      all.push_back(device.primary);
    }
  }
  return all;
}

void set_capability(int device, int major, int minor) {
  state().devices[device].capability = {major, minor};
}

void lose(int device) {
  if (const auto& primary = state().devices.at(static_cast<std::size_t>(device)).primary) {
    primary->is_lost = true;
    changed().notify_all();
  }
}

bool may_access(const Context& context, const Context& owner) {
  return &context == &owner ||
         std::ranges::find(context.peers, owner.handle) != context.peers.end();
}

void set_peer_access(bool is_there) {
  state().has_peer_access = is_there;
}

CUresult synchronize(const std::shared_ptr<Context>& context) {
  std::vector<std::shared_ptr<const Point>> points;
  for (const auto& stream : context->streams) {
    if (stream->last) {
      points.push_back(stream->last);
    }
  }
  for (const auto& point : points) {
    if (const CUresult result = wait_for(context, point); result != CUDA_SUCCESS) {
      return result;
    }
  }
  return state_of(context);
}

CUresult fake_cuDeviceGetCount(int* count) {
  *count = kDevices;
  return CUDA_SUCCESS;
}

CUresult fake_cuDeviceGet(CUdevice* device, int ordinal) {
  if (!is_device(ordinal)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult fake_cuDeviceGetName(char* name, int length, CUdevice device) {
  if (!is_device(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  std::snprintf(name, static_cast<std::size_t>(length), "Fake GPU %d", device);
  return CUDA_SUCCESS;
}

/// Byte i is 17 i, but for the last, which is the device.
CUresult fake_cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  if (!is_device(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  for (int i = 0; i < 15; ++i) {
    uuid->bytes[i] = static_cast<char>(17 * i);
  }
  uuid->bytes[15] = static_cast<char>(device);
  return CUDA_SUCCESS;
}

CUresult fake_cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  if (!is_device(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  const std::pair<int, int> capability = state().devices[device].capability;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = capability.first;
      return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = capability.second;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult fake_cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  if (!is_device(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  DeviceState& of = state().devices[static_cast<std::size_t>(device)];
  if (!of.primary) {
    of.primary = make_context(device);
  }
  if (const CUresult result = state_of(of.primary); result != CUDA_SUCCESS) {
    return result;
  }
  ++of.retained;
  *context = of.primary->handle;
  return CUDA_SUCCESS;
}

CUresult fake_cuDevicePrimaryCtxRelease(CUdevice device) {
  if (!is_device(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  DeviceState& of = state().devices[static_cast<std::size_t>(device)];
  if (of.retained == 0) {
    violate("a primary context was released that nobody holds");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (--of.retained == 0) {
    destroy(of.primary);
    of.primary.reset();
  }
  return CUDA_SUCCESS;
}

CUresult fake_cuCtxGetCurrent(CUcontext* context) {
  const auto now = current();
  *context = now ? now->handle : nullptr;
  return CUDA_SUCCESS;
}

CUresult fake_cuCtxPushCurrent(CUcontext context) {
  const auto found = state().handles.find(context);
  if (!found) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  this_thread().contexts.push_back(found);
  return CUDA_SUCCESS;
}

CUresult fake_cuCtxPopCurrent(CUcontext* context) {
  auto& stack = this_thread().contexts;
  if (stack.empty()) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (context != nullptr) {
    *context = stack.back()->handle;
  }
  stack.pop_back();
  return CUDA_SUCCESS;
}

CUresult fake_cuDeviceCanAccessPeer(int* can_access, CUdevice device, CUdevice peer) {
  if (!is_device(device) || !is_device(peer)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *can_access = device != peer && state().has_peer_access ? 1 : 0;
  return CUDA_SUCCESS;
}

CUresult fake_cuCtxEnablePeerAccess(CUcontext handle, unsigned flags) {
  const auto context = current();
  const auto peer = state().handles.find(handle);
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  if (const CUresult result = state_of(peer); result != CUDA_SUCCESS) {
    return result;
  }
  if (flags != 0 || peer == context) {
    return flags != 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_CONTEXT;
  }
  if (!state().has_peer_access) {
    return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
  }
  if (may_access(*context, *peer)) {
    return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  }
  context->peers.push_back(handle);
  return CUDA_SUCCESS;
}

CUresult fake_cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  if (*mode > CU_STREAM_CAPTURE_MODE_RELAXED) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::swap(*mode, this_thread().mode);
  return CUDA_SUCCESS;
}

}  // namespace headrace::fake_cuda
