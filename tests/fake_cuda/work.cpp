// SPDX-License-Identifier: Apache-2.0
// What work does to memory.
#include "fake_cuda/work.h"

#include "fake_cuda/context.h"
#include "fake_cuda/kernel.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/memory.h"

#include <cstring>
#include <string>

namespace headrace::fake_cuda {

namespace {

std::string text_of(std::uintptr_t address, std::size_t bytes) {
  return std::to_string(bytes) + " bytes at " + std::to_string(address);
}

Place checked_place(std::uintptr_t address, std::size_t bytes, const char* what) {
  Place place = place_of(address, bytes);
  if (place.kind == Place::Kind::invalid) {
    violate(std::string(what) + " " + text_of(address, bytes) + ", which are not allocated");
  }
  return place;
}

/// Success, or why the memory cannot be used: it is not there, or its device is lost.
CUresult state_of(const Place& place) {
  if (place.kind == Place::Kind::invalid) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return place.kind == Place::Kind::device ? state_of(place.allocation->context) : CUDA_SUCCESS;
}

/// The same for memory that is written.
CUresult writable_state_of(const Place& place) {
  if (place.allocation && place.allocation->is_read_only) {
    violate("memory was to be written that is registered for reading alone");
    return CUDA_ERROR_INVALID_VALUE;
  }
  return state_of(place);
}

struct Check {
  CUresult operator()(const Copy& copy) const {
    const CUresult from = state_of(checked_place(copy.from, copy.bytes, "a copy from"));
    const CUresult to = writable_state_of(checked_place(copy.to, copy.bytes, "a copy to"));
    return from == CUDA_SUCCESS ? to : from;
  }
  CUresult operator()(const Fill& fill) const {
    const Place place = checked_place(fill.to, fill.count * fill.element_bytes, "a fill of");
    const bool is_good = place.kind == Place::Kind::device || place.kind == Place::Kind::pinned;
    return is_good && fill.to % fill.element_bytes == 0 ? writable_state_of(place)
                                                        : CUDA_ERROR_INVALID_VALUE;
  }
  template <class Other>
  CUresult operator()(const Other& /*work*/) const {
    return CUDA_SUCCESS;
  }
};

void fill_bytes(std::byte* to, const Fill& fill) {
  for (std::size_t i = 0; i < fill.count; ++i) {
    std::memcpy(to + i * fill.element_bytes, &fill.value, fill.element_bytes);  // little-endian
  }
}

struct Prepare {
  std::function<void()> operator()(const Copy& copy) const {
    Place to = checked_place(copy.to, copy.bytes, "a copy ran to");
    if (copy.staged && to.bytes != nullptr) {
      return [copy, to] { std::memcpy(to.bytes, copy.staged->data(), copy.bytes); };
    }
    Place from = checked_place(copy.from, copy.bytes, "a copy ran from");
    if (to.bytes == nullptr || from.bytes == nullptr) {
      return {};
    }
    return [copy, to, from] { std::memmove(to.bytes, from.bytes, copy.bytes); };
  }
  std::function<void()> operator()(const Fill& fill) const {
    Place to = checked_place(fill.to, fill.count * fill.element_bytes, "a fill ran over");
    if (to.bytes == nullptr) {
      return {};
    }
    return [fill, to] { fill_bytes(to.bytes, fill); };
  }
  std::function<void()> operator()(const KernelLaunch& launch) const {
    return launch.function->prepare(launch);
  }
  std::function<void()> operator()(const HostCall& call) const {
    return [call] { call.function(call.data); };
  }
  template <class Other>
  std::function<void()> operator()(const Other& /*work*/) const {
    return [] {};
  }
};

}  // namespace

CUresult check(const Work& work) {
  return std::visit(Check{}, work);
}

std::function<void()> prepare(const Work& work) {
  return std::visit(Prepare{}, work);
}

}  // namespace headrace::fake_cuda
