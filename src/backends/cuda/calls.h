// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cudaTypedefs.h>

/// The driver's calls that the backend makes, each with the version of CUDA that gave it its
/// present form.
// clang-format off
#define HEADRACE_CUDA_CALLS(CALL)            \
  CALL(cuInit, 2000)                         \
  CALL(cuDriverGetVersion, 2020)             \
  CALL(cuGetErrorName, 6000)                 \
  CALL(cuGetErrorString, 6000)               \
  CALL(cuDeviceGetCount, 2000)               \
  CALL(cuDeviceGet, 2000)                    \
  CALL(cuDeviceGetName, 2000)                \
  CALL(cuDeviceTotalMem, 3020)               \
  CALL(cuDevicePrimaryCtxRetain, 7000)       \
  CALL(cuDevicePrimaryCtxRelease, 11000)     \
  CALL(cuCtxGetCurrent, 4000)                \
  CALL(cuCtxPushCurrent, 4000)               \
  CALL(cuCtxPopCurrent, 4000)                \
  CALL(cuThreadExchangeStreamCaptureMode, 10010) \
  CALL(cuMemGetInfo, 3020)                   \
  CALL(cuMemAlloc, 3020)                     \
  CALL(cuMemFree, 3020)                      \
  CALL(cuMemHostAlloc, 2020)                 \
  CALL(cuMemFreeHost, 2000)                  \
  CALL(cuMemHostRegister, 6050)              \
  CALL(cuMemHostUnregister, 4000)            \
  CALL(cuMemcpyHtoDAsync, 3020)              \
  CALL(cuMemcpyAsync, 4000)                  \
  CALL(cuMemsetD8Async, 3020)                \
  CALL(cuMemsetD16Async, 3020)               \
  CALL(cuMemsetD32Async, 3020)               \
  CALL(cuStreamCreate, 2000)                 \
  CALL(cuStreamDestroy, 4000)                \
  CALL(cuStreamGetCtx, 9020)                 \
  CALL(cuStreamIsCapturing, 10000)           \
  CALL(cuStreamWaitEvent, 3020)              \
  CALL(cuStreamSynchronize, 2000)            \
  CALL(cuStreamBeginCapture, 10010)          \
  CALL(cuStreamEndCapture, 10000)            \
  CALL(cuEventCreate, 2000)                  \
  CALL(cuEventDestroy, 4000)                 \
  CALL(cuEventRecord, 2000)                  \
  CALL(cuEventRecordWithFlags, 11010)        \
  CALL(cuEventQuery, 2000)                   \
  CALL(cuEventSynchronize, 2000)             \
  CALL(cuEventElapsedTime, 2000)             \
  CALL(cuModuleLoadData, 2000)               \
  CALL(cuModuleUnload, 2000)                 \
  CALL(cuModuleGetFunction, 2000)            \
  CALL(cuLaunchKernel, 4000)                 \
  CALL(cuGraphCreate, 10000)                 \
  CALL(cuGraphDestroy, 10000)                \
  CALL(cuGraphGetNodes, 10000)               \
  CALL(cuGraphAddMemcpyNode, 10000)          \
  CALL(cuGraphAddMemsetNode, 10000)          \
  CALL(cuGraphAddKernelNode, 12000)          \
  CALL(cuGraphInstantiateWithFlags, 11040)   \
  CALL(cuGraphExecDestroy, 10000)            \
  CALL(cuGraphExecMemcpyNodeSetParams, 10020) \
  CALL(cuGraphExecMemsetNodeSetParams, 10020) \
  CALL(cuGraphExecKernelNodeSetParams, 12000) \
  CALL(cuGraphExecUpdate, 12000)             \
  CALL(cuGraphLaunch, 10000)
// clang-format on
