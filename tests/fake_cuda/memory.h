// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

namespace headrace::fake_cuda {

struct Context;

/// Memory of a device, whose addresses the host cannot touch, or page-locked memory of the host's:
/// the driver's, or the program's own that it registered.
struct Allocation {
  Allocation(std::shared_ptr<Context> owner, std::size_t bytes, bool on_host);
  /// Of the program's own.
  Allocation(std::shared_ptr<Context> owner, std::byte* memory, std::size_t bytes, bool read_only);
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  ~Allocation();

  std::shared_ptr<Context> context;
  std::size_t size = 0;
  bool is_host = false;
  bool is_registered = false;    ///< The program's own, which is host memory too.
  bool is_read_only = false;     ///< The device may not write it.
  std::uintptr_t address = 0;    ///< What programs know.
  std::byte* storage = nullptr;  ///< Where the bytes are.

  /// The parts that may be used, bytes by address, of one that a program says it divides.
  std::optional<std::map<std::uintptr_t, std::size_t>> parts;
};

/// What an address means.
struct Place {
  enum class Kind { device, pinned, pageable, invalid };
  Kind kind = Kind::invalid;
  std::shared_ptr<Allocation> allocation;  ///< Of device and pinned.
  std::byte* bytes = nullptr;              ///< Null for invalid.
};

/// The place of `size` bytes at `address`: invalid when they are not inside one allocation though
/// the address is a device's, or cross its end, or, of a divided one, that of a part.
Place place_of(std::uintptr_t address, std::size_t size);

/// The allocation that begins at `address`, or null.
std::shared_ptr<Allocation> allocation_at(std::uintptr_t address);
/// Whether any byte of a range is in an allocation.
bool overlaps_allocation(std::uintptr_t address, std::size_t size);
/// Whether the host may have `bytes` more in page-locked memory.
bool has_room_on_host(std::size_t bytes);
void add_allocation(std::shared_ptr<Allocation> allocation);
void remove_allocation(std::uintptr_t address);

void limit_memory(int device, std::size_t bytes);
int live_allocations(bool on_host);
int live_registrations();
/// Frees what belongs to a context.
void drop_memory_of(const Context& context);

}  // namespace headrace::fake_cuda
