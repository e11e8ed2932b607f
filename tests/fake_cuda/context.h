// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>

#include <list>
#include <memory>
#include <vector>

namespace headrace::fake_cuda {

struct Stream;

inline constexpr int kDevices = 2;

/// The primary context of a device, from the first retain to the last release.
struct Context {
  int device = 0;
  CUcontext handle = nullptr;
  bool is_lost = false;
  bool is_gone = false;
  std::shared_ptr<Stream> legacy;
  std::list<std::shared_ptr<Stream>> streams;  ///< The legacy one too; those destroyed until idle.
  std::vector<CUcontext> peers;                ///< Whose memory its kernels may use.
};

/// Whether kernels of `context` may use memory of `owner`'s.
bool may_access(const Context& context, const Context& owner);

/// Says that no device has a direct way to another's memory, or that all have.
void set_peer_access(bool is_there);

void set_capability(int device, int major, int minor);

/// What the driver knows of the calling thread.
struct Thread {
  std::vector<std::shared_ptr<Context>> contexts;  ///< The current one last.
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  bool is_in_callback = false;
};
Thread& this_thread();

/// The current context; null when there is none.
std::shared_ptr<Context> current();

/// Success, or why a context can do nothing.
CUresult state_of(const std::shared_ptr<Context>& context);

/// All contexts that are alive.
std::vector<std::shared_ptr<Context>> contexts();

/// Breaks the device's context, if it has one.
void lose(int device);

/// Waits until all work of a context is done. \returns Success, or that it is lost.
CUresult synchronize(const std::shared_ptr<Context>& context);

}  // namespace headrace::fake_cuda
