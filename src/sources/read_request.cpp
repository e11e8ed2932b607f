// SPDX-License-Identifier: Apache-2.0
#include "sources/read_request.h"

#include <algorithm>
#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>

namespace headrace::sources {

namespace {

// The system takes no more than this of one request, and says nothing of the rest.
constexpr std::size_t kMost = std::size_t{128} << 10;

std::size_t unit_for(std::uint64_t set_bytes) noexcept {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  static const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page;
  return set_bytes <= memory / 4 ? kMost : page;
}

}  // namespace

ReadRequest::ReadRequest(std::uint64_t set_bytes) noexcept : unit_(unit_for(set_bytes)) {}

void ReadRequest::add(std::span<const std::byte> part) noexcept {
  if (!joined_.empty() && part.data() == joined_.data() + joined_.size()) {
    joined_ = {joined_.data(), joined_.size() + part.size()};
    return;
  }
  send();
  joined_ = part;
}

void ReadRequest::send() noexcept {
  if (joined_.empty()) {
    return;
  }
  const std::size_t into_unit = reinterpret_cast<std::uintptr_t>(joined_.data()) % unit_;
  std::byte* begin = const_cast<std::byte*>(joined_.data()) - into_unit;
  std::size_t left = (joined_.size() + into_unit + unit_ - 1) / unit_ * unit_;
  while (left > 0) {
    const std::size_t size = std::min(left, kMost);
    ::madvise(begin, size, MADV_WILLNEED);  // passes over what is not mapped
    begin += size;
    left -= size;
  }
  joined_ = {};
}

}  // namespace headrace::sources
