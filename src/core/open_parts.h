// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "core/block.h"
#include "core/timeline.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

namespace headrace::core {

/// What a SubAllocationObserver is told of a pool's segments: which parts are somebody's.
///
/// A block is opened when it is handed out and closed when its last use is over, which may be after
/// it came back. Not synchronised; the pool's lock guards it. Where there is an observer, a host
/// without memory ends the program; where there is none, `are_told` is all that may be called.
/// Design: docs/design/020-memory-checkers.md.
class OpenParts {
 public:
  explicit OpenParts(SubAllocationObserver* observer) noexcept : observer_(observer) {}

  [[nodiscard]] bool are_told() const noexcept { return observer_ != nullptr; }

  void add_segment(const MemoryBlock& memory) noexcept;
  /// Forgets what is still open of a segment that goes back to the device.
  void drop_segment(const MemoryBlock& memory) noexcept;

  /// Opens the first `bytes` bytes of a block whose earlier uses are over, before anybody has it.
  void open(const Block& block, std::size_t bytes) noexcept;

  /// Closes a block that came back: now or, while `uses` may touch it, later. One that was never
  /// opened stays closed.
  void close_after(const Block& block, const UseList& uses) noexcept;

  /// Closes what is back and over by now. Asks the device.
  void close_what_is_over() noexcept;

 private:
  struct Place {
    std::uint64_t segment = 0;  // its handle
    std::uint64_t offset = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  using Parts = std::map<Place, std::size_t>;  // open bytes

  static Place place_of(const Block& block) noexcept;
  void close(Parts::iterator part) noexcept;

  SubAllocationObserver* const observer_;
  Parts open_;
  std::map<Place, UseList> returned_;  // of open_: what may still touch it
};

}  // namespace headrace::core
