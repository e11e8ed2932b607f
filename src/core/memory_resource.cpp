// SPDX-License-Identifier: Apache-2.0
#include "headrace/memory_resource.h"

#include "headrace/buffer.h"
#include "headrace/error.h"

#include "core/access.h"
#include "core/memory_pool.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace headrace {

namespace {

// A buffer that is handed out lies in its own memory, right before the address: giving back needs
// no table, no lock and no size, and works through any equal resource.
constexpr std::size_t kHeader = sizeof(Buffer);
static_assert(std::has_single_bit(kHeader), "or what follows it is not aligned");

// What an allocation asks for beside its bytes. Memory starts at a multiple of the header's size,
// so the first multiple of the alignment that has room for the header in front is no farther away.
std::size_t bytes_in_front(std::size_t alignment) {
  if (!std::has_single_bit(alignment)) {
    throw Error(ErrorCode::invalid_argument,
                "An alignment of " + std::to_string(alignment) +
                    " bytes was asked of a HostMemoryResource; it must be a power of two.");
  }
  return std::max(alignment, kHeader);
}

Buffer get_buffer(MemoryManager& manager, std::size_t size, const Stream& stream) {
  try {
    return manager.get_buffer(size, DeviceType::cpu, stream);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::out_of_memory || error.code() == ErrorCode::capacity) {
      std::throw_with_nested(std::bad_alloc());
    }
    throw;
  }
}

std::byte* header_of(void* pointer) {
  return static_cast<std::byte*>(pointer) - kHeader;
}

}  // namespace

HostMemoryResource::HostMemoryResource(MemoryManager manager, Stream stream)
    : manager_(std::move(manager)), stream_(std::move(stream)) {
  if (!manager_) {
    throw Error(ErrorCode::invalid_argument, "A HostMemoryResource needs a MemoryManager.");
  }
}

HostMemoryResource::~HostMemoryResource() = default;

void* HostMemoryResource::do_allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t in_front = bytes_in_front(alignment);
  constexpr std::size_t kLargest = std::numeric_limits<std::ptrdiff_t>::max();
  if (in_front >= kLargest || bytes > kLargest - in_front) {
    throw std::bad_alloc();
  }
  // One byte for none, so that the address is inside the buffer and nobody else's.
  Buffer buffer = get_buffer(manager_, in_front + std::max<std::size_t>(bytes, 1), stream_);
  auto* const start = static_cast<std::byte*>(buffer.data());
  const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(start) + kHeader;
  const std::uintptr_t aligned = (first + alignment - 1) & ~(alignment - 1);
  std::byte* const place = start + kHeader + (aligned - first);
  std::construct_at(reinterpret_cast<Buffer*>(header_of(place)), std::move(buffer));
  return place;
}

void HostMemoryResource::do_deallocate(void* pointer,
                                       std::size_t /*bytes*/,
                                       std::size_t /*alignment*/) {
  // A child may be without the pages of its parent's pinned memory.
  if (pointer == nullptr || !core::ManagerAccess::pool(manager_)->process().is_current()) {
    return;
  }
  auto* const header = std::launder(reinterpret_cast<Buffer*>(header_of(pointer)));
  // Out of the memory first: once it is given back another thread may write there.
  const Buffer buffer = std::move(*header);
  std::destroy_at(header);
}

bool HostMemoryResource::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  const auto* const same_kind = dynamic_cast<const HostMemoryResource*>(&other);
  return same_kind != nullptr && same_kind->manager_ == manager_;
}

}  // namespace headrace
