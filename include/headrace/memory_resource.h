// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"
#include "headrace/memory_manager.h"
#include "headrace/stream.h"

#include <cstddef>
#include <memory_resource>

namespace headrace {

/// The `cpu` memory of a MemoryManager for the standard library's containers: pinned where the
/// backend can, counted, tagged and limited like the manager's other memory.
///
///     HostMemoryResource pinned(manager);
///     std::pmr::vector<float> rows(1 << 20, &pinned);
///     // Many small objects: one buffer for many of them.
///     std::pmr::unsynchronized_pool_resource pool(&pinned);
///     std::pmr::unordered_map<int, float> table(&pool);
///
/// Cost: a take and a return of the manager each. An allocation asks the manager for 16 bytes more,
/// or its alignment if that is more: the place of its Buffer, in front of it. It asks for no other
/// memory and takes no other lock.
/// Order: memory goes back as used by the work that its stream has so far, and is given again when
/// that is over; work on other streams that uses it must be over before. Memory that no work of the
/// device's uses is best had with a stream of its own: it never waits for anything. Waits: as
/// `MemoryManager::get_buffer` for `cpu` memory.
/// Life: holds a handle of the manager. A container points to its resource, which must outlive it.
/// A copy is equal to its original, and so is what is moved from: memory of one may go back through
/// the other. Memory that never goes back stays taken.
/// Threads: safe from any thread; memory may go back on another one than took it.
/// Fork: in a child of the process that made it, allocation throws `unsupported`, and what goes
/// back stays where it is, unread; see Device.
class HEADRACE_EXPORT HostMemoryResource : public std::pmr::memory_resource {
 public:
  /// \param manager  Gives the memory.
  /// \param stream   Stream of the manager's device whose work may use the memory; `Stream{}` is
  /// its
  ///                 default stream.
  /// \throws Error  `invalid_argument` for no manager. A stream of another device is refused by the
  ///                first allocation.
  explicit HostMemoryResource(MemoryManager manager, Stream stream = {});

  HostMemoryResource(const HostMemoryResource&) = default;
  /// A resource stays with the manager that its containers' memory is of.
  HostMemoryResource& operator=(const HostMemoryResource&) = delete;
  ~HostMemoryResource() override;

  /// The manager that gives the memory.
  [[nodiscard]] const MemoryManager& manager() const noexcept { return manager_; }

 private:
  /// \returns An address of its own also for 0 bytes.
  /// \throws std::bad_alloc  Where the manager throws `out_of_memory` or `capacity`: the Error is
  ///         nested in it, see `std::rethrow_if_nested`. Also for sizes above half of the
  ///         addresses.
  /// \throws Error  What else `MemoryManager::get_buffer` throws; `invalid_argument` for an
  ///         alignment that is no power of two. Nothing is taken.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  /// `bytes` and `alignment` are not looked at. Never throws.
  void do_deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override;
  /// Whether `other` is a HostMemoryResource of the same manager.
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

  MemoryManager manager_;
  Stream stream_;
};

}  // namespace headrace
