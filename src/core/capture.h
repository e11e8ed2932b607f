// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device_type.h"

#include "core/lane.h"
#include "core/timeline.h"

#include <cstddef>
#include <memory>
#include <utility>

namespace headrace::core {

/// What a CaptureScope keeps for a pool: blocks that launches of a captured graph may use.
///
/// Life: the scope's, and on until the last block that names it has come back. Guarded by the
/// pool's lock. Design: docs/design/012-capture.md.
struct Capture {
  explicit Capture(std::shared_ptr<StreamState> of) : stream(std::move(of)) {}

  const std::shared_ptr<StreamState> stream;  ///< That is captured.
  BlockList reusable;     ///< Taken and returned in the capture: its later work may use them again.
  BlockList kept;         ///< Everything else that came back.
  UseList uses;           ///< Streams that launch what was captured.
  std::size_t bytes = 0;  ///< Of both lists.
  bool is_over = false;   ///< The scope is gone.

  void keep(Block& block, bool may_be_reused) noexcept {
    (may_be_reused ? reusable : kept).push_newest(block);
    bytes += block.capacity();
  }
  /// A block that serves a request, taken out; null for none.
  Block* reuse(std::size_t slot, std::size_t capacity, DeviceType device_type) noexcept;
};

}  // namespace headrace::core
