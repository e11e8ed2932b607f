// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader.h"

#include "core/storage.h"
#include "core/timeline.h"
#include "loader/batch_layout.h"
#include "loader/plan.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::loader {

class Engine;

/// What a batch that was handed out takes along: made for a slot, lent to a GPUBatch, used again.
class Lease {
 public:
  std::weak_ptr<Engine> engine;
  std::shared_ptr<core::StreamState> stream;  ///< That `get_batch` was given.
  std::shared_ptr<core::Storage> packed;      ///< The slot's memory: what a release stamps.
  std::shared_ptr<core::Storage> expanded;
  std::vector<std::uint64_t> ids;  ///< Sample of every valid row.
  std::vector<std::string> field_names;
  std::vector<Tensor> fields;
  std::shared_ptr<const std::vector<Tensor>> weights;
  LoaderState state;
};

/// A sample that could not be read into its row.
struct RowFailure {
  std::size_t row = 0;
  std::uint64_t sample = 0;
  std::exception_ptr error;
  std::string message;
};

/// The memory of one place in the ring, and the batch it holds. Guarded by the engine's lock, but
/// for the memory itself, which belongs to the workers from `opening` to `ready`.
///
/// Batch b lives in slot b mod ring size, so no batch has to be sorted into its place.
struct Slot {
  enum class State {
    empty,     ///< Waits for the next batch whose place it is.
    opening,   ///< A worker gets its memory ready.
    filling,   ///< Workers read rows into it.
    shipping,  ///< The last worker sends it to the device.
    ready,     ///< Waits for the consumer.
  };

  static constexpr std::uint64_t kNoBatch = UINT64_MAX;

  State state = State::empty;
  std::uint64_t generation = 0;    ///< The loader's when it was opened.
  std::uint64_t batch = kNoBatch;  ///< The plan's number of the batch it holds or last held.
  PlannedBatch plan;
  std::size_t next_row = 0;   ///< First row that no worker has taken.
  std::size_t rows_done = 0;  ///< Rows read, failed ones included.
  std::vector<RowFailure> failures;
  std::exception_ptr error;  ///< Thrown in place of the batch.
  std::size_t rows = 0;      ///< Rows of the tensors.
  std::size_t valid = 0;     ///< Rows that are samples in their own right.

  /// Why there is no memory for it; a consumer that asks is told, and has it tried again.
  std::exception_ptr starved;
  std::uint64_t attempts_begun = 0;
  std::uint64_t last_failed_attempt = 0;
  bool retry = false;
  bool has_memory = false;  ///< For the batch it holds; false until its turn to get it came.

  std::shared_ptr<const BatchLayout> layout;
  std::shared_ptr<core::Storage> slab;      ///< Host memory; null where workers write `packed`.
  std::shared_ptr<core::Storage> packed;    ///< All parts, on the device.
  std::shared_ptr<core::Storage> expanded;  ///< Inputs after expansion; null without.
  std::unique_ptr<Lease> lease;

  /// Whether it was opened and still waits for memory.
  [[nodiscard]] bool lacks_memory() const { return state == State::opening && !has_memory; }

  /// Where workers write row 0 of everything.
  [[nodiscard]] std::byte* host() const { return (slab ? slab : packed)->block().memory().host; }
};

}  // namespace headrace::loader
