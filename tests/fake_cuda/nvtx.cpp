// SPDX-License-Identifier: Apache-2.0
// The driver as a tool of NVTX's, as compute-sanitizer is one: where NVTX_INJECTION64_PATH names
// it, memory that programs say they divide may be used only where they say so.
#include "fake_cuda/lock.h"
#include "fake_cuda/memory.h"

#define NVTX_NO_IMPL
#include <nvtx3/nvToolsExtMem.h>

#include <iterator>
#include <mutex>

namespace headrace::fake_cuda {

namespace {

std::uintptr_t address_of(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

/// The allocation that is divided and begins at `address`, or null.
std::shared_ptr<Allocation> divided(std::uintptr_t address) {
  const std::shared_ptr<Allocation> allocation = allocation_at(address);
  return allocation != nullptr && allocation->parts ? allocation : nullptr;
}

nvtxMemHeapHandle_t register_heap(nvtxDomainHandle_t, const nvtxMemHeapDesc_t* heap) {
  const std::scoped_lock held(lock());
  const auto* range = static_cast<const nvtxMemVirtualRangeDesc_t*>(heap->typeSpecificDesc);
  const std::shared_ptr<Allocation> allocation = allocation_at(address_of(range->ptr));
  if (heap->extCompatID != NVTX_EXT_COMPATID_MEM || heap->structSize != sizeof(*heap) ||
      heap->usage != NVTX_MEM_HEAP_USAGE_TYPE_SUB_ALLOCATOR ||
      heap->type != NVTX_MEM_TYPE_VIRTUAL_ADDRESS || heap->typeSpecificDescSize != sizeof(*range) ||
      allocation == nullptr || allocation->is_host || allocation->size != range->size ||
      allocation->parts) {
    violate("nvtxMemHeapRegister is given no allocation of a device that is whole");
    return nullptr;
  }
  allocation->parts.emplace();
  return static_cast<nvtxMemHeapHandle_t>(const_cast<void*>(range->ptr));
}

void unregister_heap(nvtxDomainHandle_t, nvtxMemHeapHandle_t heap) {
  const std::scoped_lock held(lock());
  if (const std::shared_ptr<Allocation> allocation = divided(address_of(heap))) {
    allocation->parts.reset();
  } else {
    violate("nvtxMemHeapUnregister is given no heap");
  }
}

void register_region(Allocation& heap, std::uintptr_t address, std::size_t bytes) {
  const auto after = heap.parts->lower_bound(address);
  const bool meets_next = after != heap.parts->end() && after->first < address + bytes;
  const bool meets_last =
      after != heap.parts->begin() && std::prev(after)->first + std::prev(after)->second > address;
  if (address < heap.address || address + bytes > heap.address + heap.size || meets_next ||
      meets_last || bytes == 0) {
    violate("nvtxMemRegionsRegister is given a region outside of its heap or over another one");
    return;
  }
  heap.parts->emplace(address, bytes);
}

void register_regions(nvtxDomainHandle_t, const nvtxMemRegionsRegisterBatch_t* batch) {
  const std::scoped_lock held(lock());
  const std::shared_ptr<Allocation> heap = divided(address_of(batch->heap));
  if (batch->extCompatID != NVTX_EXT_COMPATID_MEM || batch->structSize != sizeof(*batch) ||
      batch->regionType != NVTX_MEM_TYPE_VIRTUAL_ADDRESS ||
      batch->regionDescElementSize != sizeof(nvtxMemVirtualRangeDesc_t) || heap == nullptr) {
    violate("nvtxMemRegionsRegister is given no regions of a heap");
    return;
  }
  const auto* ranges = static_cast<const nvtxMemVirtualRangeDesc_t*>(batch->regionDescElements);
  for (std::size_t i = 0; i < batch->regionCount; ++i) {
    register_region(*heap, address_of(ranges[i].ptr), ranges[i].size);
  }
}

void unregister_regions(nvtxDomainHandle_t, const nvtxMemRegionsUnregisterBatch_t* batch) {
  const std::scoped_lock held(lock());
  for (std::size_t i = 0; i < batch->refCount; ++i) {
    const std::uintptr_t address = address_of(batch->refElements[i].pointer);
    const Place place = place_of(address, 1);
    if (batch->extCompatID != NVTX_EXT_COMPATID_MEM || batch->structSize != sizeof(*batch) ||
        batch->refType != NVTX_MEM_REGION_REF_TYPE_POINTER ||
        batch->refElementSize != sizeof(nvtxMemRegionRef_t) || !place.allocation ||
        !place.allocation->parts || place.allocation->parts->erase(address) == 0) {
      violate("nvtxMemRegionsUnregister is given no region");
    }
  }
}

template <class Function>
void fill_slot(const nvtxExtModuleSegment_t& segment, std::size_t number, Function* function) {
  segment.functionSlots[number] = reinterpret_cast<std::intptr_t>(function);
}

}  // namespace

}  // namespace headrace::fake_cuda

extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtxExtension(
    nvtxExtModuleInfo_t* module) {
  using namespace headrace::fake_cuda;
  if (module->moduleId != NVTX_EXT_MODULEID_MEM) {
    return 0;
  }
  const nvtxExtModuleSegment_t& segment = module->segments[0];
  fill_slot(segment, NVTX3EXT_CBID_nvtxMemHeapRegister, &register_heap);
  fill_slot(segment, NVTX3EXT_CBID_nvtxMemHeapUnregister, &unregister_heap);
  fill_slot(segment, NVTX3EXT_CBID_nvtxMemRegionsRegister, &register_regions);
  fill_slot(segment, NVTX3EXT_CBID_nvtxMemRegionsUnregister, &unregister_regions);
  return 1;
}
