// SPDX-License-Identifier: Apache-2.0
#include "loader/rows.h"

#include <algorithm>
#include <cstring>

namespace headrace::loader {

namespace {

void copy_row(const Slot& slot, std::size_t from, std::size_t to) {
  for (const BatchLayout::Part& part : slot.layout->parts()) {
    std::byte* rows = slot.host() + part.offset;
    if (part.row_bytes != 0) {
      std::memcpy(rows + to * part.row_bytes, rows + from * part.row_bytes, part.row_bytes);
    }
  }
}

void zero_rows(const Slot& slot, std::size_t begin, std::size_t end) {
  for (const BatchLayout::Part& part : slot.layout->parts()) {
    if (part.row_bytes != 0 && begin < end) {
      std::memset(
          slot.host() + part.offset + begin * part.row_bytes, 0, (end - begin) * part.row_bytes);
    }
  }
}

/// Moves the rows that were read together. \returns How many there are.
std::size_t close_gaps(Slot& slot) {
  const std::size_t read = slot.plan.read_rows;
  auto failure = slot.failures.begin();
  std::size_t kept = 0;
  for (std::size_t row = 0; row < read; ++row) {
    if (failure != slot.failures.end() && failure->row == row) {
      ++failure;
      slot.valid -= row < slot.plan.valid ? 1 : 0;
      continue;
    }
    if (kept != row) {
      copy_row(slot, row, kept);
      if (row < slot.plan.valid) {
        slot.lease->ids[kept] = slot.lease->ids[row];
      }
    }
    ++kept;
  }
  slot.lease->ids.resize(slot.valid);
  return kept;
}

}  // namespace

void settle_rows(Slot& slot, Tail tail) {
  slot.valid = slot.plan.valid;
  const std::size_t read = slot.failures.empty() ? slot.plan.read_rows : close_gaps(slot);
  const bool pads = tail == Tail::pad_repeat || tail == Tail::pad_zero;
  slot.rows = pads ? slot.plan.rows : slot.valid;
  if (tail == Tail::pad_repeat && read != 0) {
    for (std::size_t row = read; row < slot.rows; ++row) {
      copy_row(slot, row % read, row);
    }
  } else {
    zero_rows(slot, std::min(read, slot.rows), slot.rows);
  }
}

}  // namespace headrace::loader
