// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/vulkan/calls.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace headrace::vulkan {

class Context;

/// A place in a buffer object.
struct Place {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceSize offset = 0;
  bool is_host_visible = false;
};

/// The buffer object that a block's handle is.
inline VkBuffer buffer_of(std::uint64_t handle) {
  return reinterpret_cast<VkBuffer>(handle);  // NOLINT(performance-no-int-to-ptr): it is one
}

/// The memory of one device: each block is an allocation with a buffer object that covers it, which
/// all queues share.
///
/// Threads: safe from any thread. Allocations follow each other: what each may have depends on
/// those before.
class Memory {
 public:
  explicit Memory(Context& context) : context_(context) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() = default;

  /// \throws Error  `out_of_memory`, also where the driver would rather page than refuse;
  ///                `device_lost`.
  MemoryBlock allocate(DeviceType device_type, std::size_t size);
  void release(const MemoryBlock& block) noexcept;

  /// Makes memory of the caller's a block. Its pages are imported as they are.
  /// \throws Error  `unsupported` where the driver takes none, or not this; `device_lost`.
  MemoryBlock import(std::byte* memory, std::size_t size);

  /// Where a view lies in its buffer object: an imported one begins at a page.
  [[nodiscard]] Place find(const MemoryView& view) const;

  /// Rises with every release: buffer objects known before may be gone since.
  [[nodiscard]] std::uint64_t releases() const noexcept {
    return releases_.load(std::memory_order_acquire);
  }

 private:
  class Making;
  struct Allocation {
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize begin = 0;  ///< Of the block in its buffer object.
  };

  void require_size(VkDeviceSize size) const;
  void require_count() const;
  void require_budget(std::uint32_t memory_type, VkDeviceSize size) const;
  [[noreturn]] void fail_to_allocate(VkResult result, std::uint32_t memory_type, std::size_t size);
  std::uint32_t type_for_import(const Making& making, void* memory, VkDeviceSize size);
  MemoryBlock keep(Making& making, VkDeviceSize begin, std::byte* host, std::size_t size);

  Context& context_;
  std::mutex allocating_;  // before mutex_
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Allocation> allocations_;  // guarded by mutex_
  std::atomic<std::size_t> imports_{0};                        // that do not begin at a page
  std::atomic<std::uint64_t> releases_{0};
};

}  // namespace headrace::vulkan
