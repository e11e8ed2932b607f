// SPDX-License-Identifier: Apache-2.0
#include "core/open_parts.h"

#include "core/segment_heap.h"

#include <iterator>

namespace headrace::core {

OpenParts::Place OpenParts::place_of(const Block& block) noexcept {
  const MemoryBlock& segment = block.span_->segment->memory;
  const MemoryView start = block.view(0);
  return {segment.handle,
          segment.kind == HandleKind::pointer ? start.handle - segment.handle : start.offset};
}

void OpenParts::add_segment(const MemoryBlock& memory) noexcept {
  observer_->watch(memory);
}

void OpenParts::drop_segment(const MemoryBlock& memory) noexcept {
  close_what_is_over();
  const auto drop_from = [&memory](auto& map) {
    map.erase(map.lower_bound({memory.handle, 0}), map.upper_bound({memory.handle, UINT64_MAX}));
  };
  drop_from(open_);
  drop_from(returned_);
}

void OpenParts::open(const Block& block, std::size_t bytes) noexcept {
  close_what_is_over();
  const Place place = place_of(block);
  // What lies here and is not closed yet is over as well: nobody is given memory that is in use.
  auto behind = open_.lower_bound({place.segment, place.offset + block.capacity()});
  while (behind != open_.begin()) {
    const auto last = std::prev(behind);
    if (last->first.segment != place.segment || last->first.offset + last->second <= place.offset) {
      break;
    }
    close(last);
  }
  open_.emplace(place, bytes);
  observer_->open({place.segment, place.offset, block.memory().host}, bytes);
}

void OpenParts::close_after(const Block& block, const UseList& uses) noexcept {
  if (const Place place = place_of(block); open_.contains(place)) {
    returned_.insert_or_assign(place, uses);
  }
  close_what_is_over();
}

void OpenParts::close_what_is_over() noexcept {
  for (auto part = returned_.begin(); part != returned_.end();) {
    const auto next = std::next(part);
    if (part->second.all_complete()) {
      close(open_.find(part->first));
    }
    part = next;
  }
}

void OpenParts::close(Parts::iterator part) noexcept {
  observer_->close({part->first.segment, part->first.offset, nullptr});
  returned_.erase(part->first);
  open_.erase(part);
}

}  // namespace headrace::core
