// SPDX-License-Identifier: Apache-2.0
// What the driver shows to programs: each call by its name, with what all calls have in common.
#include "fake_cuda/entries.h"

#include "fake_cuda/calls_made.h"
#include "fake_cuda/capture.h"
#include "fake_cuda/context.h"
#include "fake_cuda/lock.h"
#include "support/fake_cuda.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <unistd.h>

namespace headrace::fake_cuda {

namespace {

enum class Call : std::size_t {
#define HEADRACE_FAKE_CUDA_INDEX(name, version) index_of_##name,
  HEADRACE_FAKE_CUDA_CALLS(HEADRACE_FAKE_CUDA_INDEX)
#undef HEADRACE_FAKE_CUDA_INDEX
};

constexpr std::array kNames{
#define HEADRACE_FAKE_CUDA_NAME(name, version) std::string_view(#name),
    HEADRACE_FAKE_CUDA_CALLS(HEADRACE_FAKE_CUDA_NAME)
#undef HEADRACE_FAKE_CUDA_NAME
};

/// Those that work without cuInit, and on any thread.
constexpr bool is_free(std::string_view name) {
  return name == "cuInit" || name == "cuGetErrorName" || name == "cuGetErrorString" ||
         name == "cuDriverGetVersion";
}

/// What stands in the way of any call. The lock is not held: a child's may be held for ever.
CUresult refusal(std::string_view name) {
  const pid_t process = initialised_in();
  if (process != 0 && process != getpid()) {
    return CUDA_ERROR_NOT_INITIALIZED;  // The driver does not work across a fork.
  }
  if (process == 0 && !is_free(name)) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  if (this_thread().is_in_callback && !is_free(name)) {
    return CUDA_ERROR_NOT_PERMITTED;
  }
  return CUDA_SUCCESS;
}

template <Call Index, auto Function>
struct Entry;

template <Call Index, class... Arguments, CUresult (*Function)(Arguments...)>
struct Entry<Index, Function> {
  static CUresult call(Arguments... arguments) {
    constexpr std::string_view kName = kNames[static_cast<std::size_t>(Index)];
    if (const CUresult refused = refusal(kName); refused != CUDA_SUCCESS) {
      return refused;
    }
    const std::scoped_lock held(lock());
    if (const CUresult failure = count_call(kName); failure != CUDA_SUCCESS) {
      if constexpr (kName == "cuStreamEndCapture") {
        drop_capture(arguments...);  // It ends the capture whatever it says.
      }
      return failure;
    }
    return Function(arguments...);
  }
};

struct Known {
  std::string_view name;
  int version;
  void* call;
};

const auto& all_calls() {
  static const std::array kAll{
#define HEADRACE_FAKE_CUDA_ENTRY(name, version) \
  Known{#name, version, reinterpret_cast<void*>(&Entry<Call::index_of_##name, &fake_##name>::call)},
      HEADRACE_FAKE_CUDA_CALLS(HEADRACE_FAKE_CUDA_ENTRY)
#undef HEADRACE_FAKE_CUDA_ENTRY
  };
  return kAll;
}

}  // namespace

}  // namespace headrace::fake_cuda

#undef cuGetProcAddress
#define HEADRACE_FAKE_CUDA_EXPORT extern "C" __attribute__((visibility("default")))

HEADRACE_FAKE_CUDA_EXPORT CUresult cuGetProcAddress_v2(const char* symbol,
                                                       void** call,
                                                       int version,
                                                       cuuint64_t /*flags*/,
                                                       CUdriverProcAddressQueryResult* status) {
  namespace fake = headrace::fake_cuda;
  const auto& all = fake::all_calls();
  const auto found = std::ranges::find(all, std::string_view(symbol), &fake::Known::name);
  const std::scoped_lock held(fake::lock());
  *call = nullptr;
  if (found == all.end() || fake::is_hidden(symbol)) {
    if (status != nullptr) {
      *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    }
    return status == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
  }
  if (version < found->version) {
    if (status != nullptr) {
      *status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
    }
    return status == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
  }
  *call = found->call;
  if (status != nullptr) {
    *status = CU_GET_PROC_ADDRESS_SUCCESS;
  }
  return CUDA_SUCCESS;
}

// The one call that tests look up by name, as programs without cuGetProcAddress do.
HEADRACE_FAKE_CUDA_EXPORT CUresult cuLaunchHostFunc(CUstream stream,
                                                    CUhostFn function,
                                                    void* data) {
  namespace fake = headrace::fake_cuda;
  return fake::Entry<fake::Call::index_of_cuLaunchHostFunc, &fake::fake_cuLaunchHostFunc>::call(
      stream, function, data);
}
