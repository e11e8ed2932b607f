// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

// NVTX's own types, whose headers one source alone includes.
struct nvtxDomainRegistration_st;
struct nvtxMemHeap_v1;

namespace headrace::cuda {

class Context;

/// Tells compute-sanitizer through NVTX which parts of a device's memory pools have handed out.
///
/// Page-locked memory is left out: the tool takes what `cuMemAlloc` gave. Design:
/// docs/design/020-memory-checkers.md. Threads: safe from any thread; the lock is held while the
/// tool is called.
class NvtxMemory final : public SubAllocationObserver {
 public:
  /// \returns null when no tool is attached that wants to know. `context` is current, and outlives
  ///          it.
  static std::unique_ptr<NvtxMemory> find(const Context& context);

  void watch(const MemoryBlock& memory) noexcept override;
  void open(const MemoryView& part, std::size_t bytes) noexcept override;
  void close(const MemoryView& part) noexcept override;

  /// Memory is about to go back to the driver.
  void forget(const MemoryBlock& memory) noexcept;

 private:
  NvtxMemory(const Context& context, nvtxDomainRegistration_st* domain) noexcept
      : context_(context), domain_(domain) {}

  [[maybe_unused]] const Context& context_;
  [[maybe_unused]] nvtxDomainRegistration_st* const domain_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, nvtxMemHeap_v1*> heaps_;  // by address; guarded by mutex_
};

}  // namespace headrace::cuda
