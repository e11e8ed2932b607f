// SPDX-License-Identifier: Apache-2.0
// Memory of the program's own that is page-locked. The driver knows ranges by their bytes: two may
// share a page.
#include "fake_cuda/capture.h"
#include "fake_cuda/context.h"
#include "fake_cuda/entries.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/mappings.h"
#include "fake_cuda/memory.h"
#include "fake_cuda/stream.h"

#include <algorithm>

namespace headrace::fake_cuda {

namespace {

constexpr unsigned kFlags =
    CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY;

bool is_used_by(const Operation& operation, const Allocation& memory) {
  const auto* copy = std::get_if<Copy>(&operation.work);
  const auto is_inside = [&](std::uintptr_t address) {
    return address >= memory.address && address < memory.address + memory.size;
  };
  return copy != nullptr && (is_inside(copy->from) || is_inside(copy->to));
}

/// Whether work that waits or runs copies from or to `memory`.
bool is_used(const Allocation& memory) {
  return std::ranges::any_of(contexts(), [&](const auto& context) {
    return !context->is_lost && std::ranges::any_of(context->streams, [&](const auto& stream) {
      return std::ranges::any_of(
          stream->queue, [&](const Operation& operation) { return is_used_by(operation, memory); });
    });
  });
}

}  // namespace

CUresult fake_cuMemHostRegister(void* memory, std::size_t size, unsigned flags) {
  const auto context = current();
  if (const CUresult result = may_call_unsafe(); result != CUDA_SUCCESS) {
    return result;
  }
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  if ((flags & ~kFlags) != 0 || memory == nullptr || size == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (overlaps_allocation(address, size)) {
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  }
  const bool is_read_only = (flags & CU_MEMHOSTREGISTER_READ_ONLY) != 0;
  if (!is_mapped(address, size, !is_read_only)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!has_room_on_host(size)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  add_allocation(
      std::make_shared<Allocation>(context, static_cast<std::byte*>(memory), size, is_read_only));
  return CUDA_SUCCESS;
}

CUresult fake_cuMemHostUnregister(void* memory) {
  if (const CUresult result = may_call_unsafe(); result != CUDA_SUCCESS) {
    return result;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const auto allocation = allocation_at(address);
  if (!allocation || !allocation->is_registered) {
    violate("memory was unregistered that is not registered");
    return allocation ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  if (is_used(*allocation)) {
    violate("memory was unregistered that work still uses");
  }
  const CUresult result = state_of(allocation->context);
  remove_allocation(address);
  return result;
}

}  // namespace headrace::fake_cuda
