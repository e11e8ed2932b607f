// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/nvtx_memory.h"

#include "backends/cuda/context.h"

#ifdef HEADRACE_NVTX
#include <nvtx3/nvToolsExtMem.h>
#endif

namespace headrace::cuda {

#ifdef HEADRACE_NVTX

namespace {

/// NVTX's structures begin with their version and size, and are zero but for what is set.
template <class T>
T described() {
  T empty{};
  empty.extCompatID = NVTX_EXT_COMPATID_MEM;
  empty.structSize = sizeof(T);
  return empty;
}

nvtxMemVirtualRangeDesc_t range(std::uint64_t address, std::size_t bytes) {
  nvtxMemVirtualRangeDesc_t place{};
  place.size = bytes;
  place.ptr = NativeHandle{HandleKind::pointer, address}.as_pointer();
  return place;
}

/// Whether the attached tool, if any, takes part in the memory interface: profilers do not. The
/// first call of NVTX in the process loads the tool.
bool is_wanted() {
  NVTX_EXT_MEM_VERSIONED_ID(nvtxExtMemInitOnce)();
  const std::intptr_t function =
      NVTX_EXT_MEM_VERSIONED_ID(nvtxExtMemSlots)[NVTX3EXT_CBID_nvtxMemRegionsRegister + 1];
  return function != NVTX_EXTENSION_DISABLED && function != NVTX_EXTENSION_FRESH;
}

}  // namespace

std::unique_ptr<NvtxMemory> NvtxMemory::find(const Context& context) {
  if (!is_wanted()) {
    return nullptr;
  }
  return std::unique_ptr<NvtxMemory>(new NvtxMemory(context, nvtxDomainCreateA("headrace")));
}

void NvtxMemory::watch(const MemoryBlock& memory) noexcept {
  if (memory.host != nullptr) {
    return;
  }
  const nvtxMemVirtualRangeDesc_t all = range(memory.handle, memory.size);
  auto heap = described<nvtxMemHeapDesc_t>();
  heap.usage = NVTX_MEM_HEAP_USAGE_TYPE_SUB_ALLOCATOR;
  heap.type = NVTX_MEM_TYPE_VIRTUAL_ADDRESS;
  heap.typeSpecificDescSize = sizeof(all);
  heap.typeSpecificDesc = &all;
  const Entered entered(context_);
  const std::scoped_lock lock(mutex_);
  heaps_[memory.handle] = nvtxMemHeapRegister(domain_, &heap);
}

void NvtxMemory::open(const MemoryView& part, std::size_t bytes) noexcept {
  const nvtxMemVirtualRangeDesc_t place = range(part.handle + part.offset, bytes);
  auto regions = described<nvtxMemRegionsRegisterBatch_t>();
  regions.regionType = NVTX_MEM_TYPE_VIRTUAL_ADDRESS;
  regions.regionCount = 1;
  regions.regionDescElementSize = sizeof(place);
  regions.regionDescElements = &place;
  const Entered entered(context_);
  const std::scoped_lock lock(mutex_);
  if (const auto heap = heaps_.find(part.handle); heap != heaps_.end()) {
    regions.heap = heap->second;
    nvtxMemRegionsRegister(domain_, &regions);
  }
}

void NvtxMemory::close(const MemoryView& part) noexcept {
  nvtxMemRegionRef_t region{};
  region.pointer = NativeHandle{HandleKind::pointer, part.handle + part.offset}.as_pointer();
  auto regions = described<nvtxMemRegionsUnregisterBatch_t>();
  regions.refType = NVTX_MEM_REGION_REF_TYPE_POINTER;
  regions.refCount = 1;
  regions.refElementSize = sizeof(region);
  regions.refElements = &region;
  const Entered entered(context_);
  const std::scoped_lock lock(mutex_);
  if (heaps_.contains(part.handle)) {
    nvtxMemRegionsUnregister(domain_, &regions);
  }
}

void NvtxMemory::forget(const MemoryBlock& memory) noexcept {
  const std::scoped_lock lock(mutex_);
  if (const auto heap = heaps_.find(memory.handle); heap != heaps_.end()) {
    nvtxMemHeapUnregister(domain_, heap->second);
    heaps_.erase(heap);
  }
}

#else  // Nobody is ever told.

std::unique_ptr<NvtxMemory> NvtxMemory::find(const Context& /*context*/) {
  return nullptr;
}
void NvtxMemory::watch(const MemoryBlock& /*memory*/) noexcept {}
void NvtxMemory::open(const MemoryView& /*part*/, std::size_t /*bytes*/) noexcept {}
void NvtxMemory::close(const MemoryView& /*part*/) noexcept {}
void NvtxMemory::forget(const MemoryBlock& /*memory*/) noexcept {}

#endif

}  // namespace headrace::cuda
