// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace headrace::fake_cuda {

struct Context;

/// Memory of a device, whose addresses the host cannot touch, or page-locked memory of the host's.
struct Allocation {
  Allocation(std::shared_ptr<Context> owner, std::size_t bytes, bool on_host);
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  ~Allocation();

  std::shared_ptr<Context> context;
  std::size_t size = 0;
  bool is_host = false;
  std::uintptr_t address = 0;    ///< What programs know.
  std::byte* storage = nullptr;  ///< Where the bytes are.
};

/// What an address means.
struct Place {
  enum class Kind { device, pinned, pageable, invalid };
  Kind kind = Kind::invalid;
  std::shared_ptr<Allocation> allocation;  ///< Of device and pinned.
  std::byte* bytes = nullptr;              ///< Null for invalid.
};

/// The place of `size` bytes at `address`: invalid when they are not inside one allocation though
/// the address is a device's, or cross its end.
Place place_of(std::uintptr_t address, std::size_t size);

void limit_memory(int device, std::size_t bytes);
int live_allocations(bool on_host);
/// Frees what belongs to a context.
void drop_memory_of(const Context& context);

}  // namespace headrace::fake_cuda
