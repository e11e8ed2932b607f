// SPDX-License-Identifier: Apache-2.0
// Memory of devices and page-locked memory of the host's.
#include "fake_cuda/memory.h"

#include "fake_cuda/capture.h"
#include "fake_cuda/context.h"
#include "fake_cuda/entries.h"
#include "fake_cuda/lock.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <sys/mman.h>

namespace headrace::fake_cuda {

namespace {

constexpr std::size_t kDeviceBytes = std::size_t{8} << 30;
constexpr std::size_t kRegionBytes = 2 * kDeviceBytes;  // Of addresses, so that there are gaps.
constexpr std::size_t kSlot = std::size_t{64} << 10;    // Allocations start at multiples of it.
constexpr std::size_t kPage = 4096;
constexpr int kJunk = 0xb5;  // What memory holds at first, in its first and last pages at least.

struct State {
  std::array<std::uintptr_t, kDevices> regions{};
  std::array<std::size_t, kDevices> limit{};
  std::size_t host_limit = kDeviceBytes;
  std::map<std::uintptr_t, std::shared_ptr<Allocation>> living;  // by address
};

/// Addresses of a device are reserved and never backed: a host that touches them crashes.
std::uintptr_t reserve_region() {
  void* region =
      mmap(nullptr, kRegionBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    std::abort();
  }
  return reinterpret_cast<std::uintptr_t>(region) / kSlot * kSlot + kSlot;
}

State& state() {
  static auto* const kState = [] {
    auto* made = new State;
    for (std::size_t device = 0; device < kDevices; ++device) {
      made->regions[device] = reserve_region();
      made->limit[device] = kDeviceBytes;
    }
    return made;
  }();
  return *kState;
}

bool is_device_address(std::uintptr_t address) {
  return std::ranges::any_of(state().regions, [&](std::uintptr_t region) {
    return address >= region &&
           address < region + kRegionBytes - kSlot;  // Its begin was rounded up.
  });
}

/// The lowest free address of a device, as allocators hand out what was just given back.
std::uintptr_t find_room(std::size_t device, std::size_t size) {
  std::uintptr_t place = state().regions[device];
  for (const auto& [address, allocation] : state().living) {
    if (allocation->is_host || address < place) {
      continue;
    }
    if (address >= place + size || address >= state().regions[device] + kRegionBytes) {
      break;
    }
    place = (address + allocation->size + kSlot - 1) / kSlot * kSlot;
  }
  return place;
}

/// Bytes that a device, or for -1 the host, has given out.
std::size_t used_of(int device) {
  std::size_t bytes = 0;
  for (const auto& [address, allocation] : state().living) {
    if (allocation->is_host ? device == -1 : allocation->context->device == device) {
      bytes += allocation->size;
    }
  }
  return bytes;
}

/// Whether `size` bytes at `address`, inside `allocation`, may be used as far as it is divided.
bool is_open(const Allocation& allocation, std::uintptr_t address, std::size_t size) {
  if (!allocation.parts || size == 0) {
    return true;
  }
  const auto after = allocation.parts->upper_bound(address);
  return after != allocation.parts->begin() &&
         address + size <= std::prev(after)->first + std::prev(after)->second;
}

CUresult free_at(std::uintptr_t address, bool is_host) {
  if (const CUresult result = may_call_unsafe(); result != CUDA_SUCCESS) {
    return result;
  }
  const std::shared_ptr<Allocation> allocation = allocation_at(address);
  if (!allocation || allocation->is_host != is_host || allocation->is_registered) {
    violate("memory was freed that nobody holds");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult result = state_of(allocation->context); result != CUDA_SUCCESS) {
    return result;
  }
  if (const CUresult result = synchronize(allocation->context); result != CUDA_SUCCESS) {
    return result;
  }
  remove_allocation(address);
  return CUDA_SUCCESS;
}

}  // namespace

Allocation::Allocation(std::shared_ptr<Context> owner, std::size_t bytes, bool on_host)
    : context(std::move(owner)), size(bytes), is_host(on_host) {
  const std::size_t whole = (bytes + kPage - 1) / kPage * kPage;
  if (is_host) {
    storage = static_cast<std::byte*>(std::aligned_alloc(kPage, whole));
    if (storage == nullptr) {
      throw std::bad_alloc();
    }
    address = reinterpret_cast<std::uintptr_t>(storage);
  } else {
    void* memory = mmap(
        nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    storage = static_cast<std::byte*>(memory);
    const auto device = static_cast<std::size_t>(context->device);
    address = find_room(device, size);
  }
  std::memset(storage, kJunk, std::min(whole, kSlot));
  std::memset(storage + whole - std::min(whole, kPage), kJunk, std::min(whole, kPage));
}

Allocation::Allocation(std::shared_ptr<Context> owner,
                       std::byte* memory,
                       std::size_t bytes,
                       bool read_only)
    : context(std::move(owner)),
      size(bytes),
      is_host(true),
      is_registered(true),
      is_read_only(read_only),
      address(reinterpret_cast<std::uintptr_t>(memory)),
      storage(memory) {}

Allocation::~Allocation() {
  if (is_registered) {
    return;
  }
  if (is_host) {
    std::free(storage);
  } else {
    munmap(storage, (size + kPage - 1) / kPage * kPage);
  }
}

Place place_of(std::uintptr_t address, std::size_t size) {
  const auto& living = state().living;
  auto found = living.upper_bound(address);
  if (found != living.begin()) {
    --found;
    const std::shared_ptr<Allocation>& allocation = found->second;
    const std::size_t offset = address - found->first;
    if (offset < allocation->size) {
      if (size > allocation->size - offset || !is_open(*allocation, address, size)) {
        return {};
      }
      return {allocation->is_host ? Place::Kind::pinned : Place::Kind::device,
              allocation,
              allocation->storage + offset};
    }
  }
  if (address == 0 || is_device_address(address)) {
    return {};
  }
  return {Place::Kind::pageable, nullptr, reinterpret_cast<std::byte*>(address)};
}

std::shared_ptr<Allocation> allocation_at(std::uintptr_t address) {
  const auto found = state().living.find(address);
  return found == state().living.end() ? nullptr : found->second;
}

bool overlaps_allocation(std::uintptr_t address, std::size_t size) {
  return std::ranges::any_of(state().living, [&](const auto& entry) {
    return entry.first < address + size && address < entry.first + entry.second->size;
  });
}

bool has_room_on_host(std::size_t bytes) {
  return bytes <= state().host_limit && used_of(-1) <= state().host_limit - bytes;
}

void add_allocation(std::shared_ptr<Allocation> allocation) {
  state().living.emplace(allocation->address, std::move(allocation));
}

void remove_allocation(std::uintptr_t address) {
  state().living.erase(address);
}

void limit_memory(int device, std::size_t bytes) {
  (device < 0 ? state().host_limit : state().limit.at(static_cast<std::size_t>(device))) = bytes;
}

int live_allocations(bool on_host) {
  return static_cast<int>(std::ranges::count_if(state().living, [&](const auto& entry) {
    return entry.second->is_host == on_host && !entry.second->is_registered;
  }));
}

int live_registrations() {
  return static_cast<int>(std::ranges::count_if(
      state().living, [](const auto& entry) { return entry.second->is_registered; }));
}

void drop_memory_of(const Context& context) {
  std::erase_if(state().living,
                [&](const auto& entry) { return entry.second->context.get() == &context; });
}

CUresult fake_cuDeviceTotalMem(std::size_t* bytes, CUdevice device) {
  if (device < 0 || device >= kDevices) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *bytes = kDeviceBytes;
  return CUDA_SUCCESS;
}

CUresult fake_cuMemGetInfo(std::size_t* free, std::size_t* total) {
  const auto context = current();
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  const auto device = static_cast<std::size_t>(context->device);
  *free = state().limit[device] - std::min(state().limit[device], used_of(context->device));
  *total = kDeviceBytes;
  return CUDA_SUCCESS;
}

CUresult fake_cuMemAlloc(CUdeviceptr* address, std::size_t size) {
  const auto context = current();
  if (const CUresult result = may_call_unsafe(); result != CUDA_SUCCESS) {
    return result;
  }
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  if (size == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::size_t limit = state().limit[static_cast<std::size_t>(context->device)];
  if (size > limit || used_of(context->device) > limit - size) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  auto allocation = std::make_shared<Allocation>(context, size, false);
  *address = allocation->address;
  add_allocation(std::move(allocation));
  return CUDA_SUCCESS;
}

CUresult fake_cuMemFree(CUdeviceptr address) {
  if (!current()) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return address == 0 ? CUDA_SUCCESS : free_at(address, false);
}

CUresult fake_cuMemHostAlloc(void** address, std::size_t size, unsigned /*flags*/) {
  const auto context = current();
  if (const CUresult result = may_call_unsafe(); result != CUDA_SUCCESS) {
    return result;
  }
  if (const CUresult result = state_of(context); result != CUDA_SUCCESS) {
    return result;
  }
  if (size == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!has_room_on_host(size)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  auto allocation = std::make_shared<Allocation>(context, size, true);
  *address = allocation->storage;
  add_allocation(std::move(allocation));
  return CUDA_SUCCESS;
}

CUresult fake_cuMemFreeHost(void* address) {
  if (!current()) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return free_at(reinterpret_cast<std::uintptr_t>(address), true);
}

}  // namespace headrace::fake_cuda
