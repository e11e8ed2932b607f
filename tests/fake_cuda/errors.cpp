// SPDX-License-Identifier: Apache-2.0
// The driver's words for its results.
#include "fake_cuda/entries.h"

#include <algorithm>
#include <array>

namespace headrace::fake_cuda {

namespace {

struct Words {
  CUresult result;
  const char* name;
  const char* text;
};

#define HEADRACE_FAKE_CUDA_WORDS(result, text) \
  Words {                                      \
    result, #result, text                      \
  }
constexpr std::array kWords{
    HEADRACE_FAKE_CUDA_WORDS(CUDA_SUCCESS, "no error"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_NO_BINARY_FOR_GPU,
                             "no kernel image is available for execution on the device"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED,
                             "part or all of the requested memory range is already mapped"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED,
                             "pointer does not correspond to a registered memory region"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_ILLEGAL_STATE,
                             "the operation cannot be performed in the present state"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_NOT_READY, "device not ready"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_ILLEGAL_ADDRESS,
                             "an illegal memory access was encountered"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED,
                             "peer access is not supported between these two devices"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED,
                             "peer access is already enabled"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_NOT_PERMITTED, "operation not permitted"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                             "operation not permitted when stream is capturing"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                             "operation failed due to a previous error during capture"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_STREAM_CAPTURE_MERGE,
                             "operation would result in a merge of separate capture sequences"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED,
                             "capture was not ended in the same stream as it began"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
                             "capturing stream has unjoined work"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
                             "dependency created on uncaptured work in another stream"),
    HEADRACE_FAKE_CUDA_WORDS(
        CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
        "operation would make the legacy stream depend on a capturing blocking stream"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_CAPTURED_EVENT,
                             "operation not permitted on an event last recorded in a capturing "
                             "stream"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
                             "attempt to terminate a thread-local capture sequence from another "
                             "thread"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE,
                             "the graph update was not performed because it included changes which "
                             "violated constraints specific to instantiated graph update"),
    HEADRACE_FAKE_CUDA_WORDS(CUDA_ERROR_UNKNOWN, "unknown error"),
};
#undef HEADRACE_FAKE_CUDA_WORDS

}  // namespace

CUresult fake_cuGetErrorName(CUresult error, const char** name) {
  const auto* found = std::ranges::find(kWords, error, &Words::result);
  *name = found == kWords.end() ? nullptr : found->name;
  return found == kWords.end() ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult fake_cuGetErrorString(CUresult error, const char** text) {
  const auto* found = std::ranges::find(kWords, error, &Words::result);
  *text = found == kWords.end() ? nullptr : found->text;
  return found == kWords.end() ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

}  // namespace headrace::fake_cuda
