// SPDX-License-Identifier: Apache-2.0
#include "fake_cuda/calls_made.h"
#include "fake_cuda/context.h"
#include "fake_cuda/graph.h"
#include "fake_cuda/kernel.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/memory.h"
#include "fake_cuda/scheduler.h"
#include "fake_cuda/stream.h"
#include "support/fake_cuda.h"

#include <cstdlib>

namespace headrace::fake_cuda {

namespace {

int live(const std::string& kind) {
  if (kind == "memory" || kind == "host memory") {
    return live_allocations(kind == "host memory");
  }
  if (kind == "registered memory") {
    return live_registrations();
  }
  if (kind == "stream") {
    return live_streams();
  }
  if (kind == "event") {
    return live_events();
  }
  if (kind == "graph") {
    return live_graphs();
  }
  if (kind == "graph exec") {
    return live_execs();
  }
  if (kind == "module") {
    return live_modules();
  }
  if (kind == "context") {
    return static_cast<int>(contexts().size());
  }
  std::abort();
}

/// `Function`, with the lock held.
template <auto Function>
struct Locked;

template <class Result, class... Arguments, Result (*Function)(Arguments...)>
struct Locked<Function> {
  static Result call(Arguments... arguments) {
    const std::scoped_lock held(lock());
    return Function(arguments...);
  }
};

constexpr Control kControl{
    .fail = &Locked<&fail_call>::call,
    .failed_here = &Locked<&has_failed_here>::call,
    .hide = &Locked<&hide_call>::call,
    .reset = &Locked<&reset_calls>::call,
    .calls = &Locked<&calls_made>::call,
    .called = &Locked<&names_of_calls_made>::call,
    .lose = &Locked<&lose>::call,
    .set_peer_access = &Locked<&set_peer_access>::call,
    .set_capability = &Locked<&set_capability>::call,
    .limit_memory = &Locked<&limit_memory>::call,
    .set_manual = &Locked<&set_manual>::call,
    .run = &Locked<&run>::call,
    .set_seed = &Locked<&set_seed>::call,
    .pending = &Locked<&pending_work>::call,
    .live = &Locked<&live>::call,
    .take_violations = &Locked<&take_violations>::call,
};

}  // namespace

}  // namespace headrace::fake_cuda

extern "C" __attribute__((visibility("default"))) const headrace::fake_cuda::Control*
fake_cuda_control();

const headrace::fake_cuda::Control* fake_cuda_control() {
  return &headrace::fake_cuda::kControl;
}
