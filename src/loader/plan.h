// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader_state.h"
#include "headrace/tail.h"

#include "loader/permutation.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headrace::loader {

/// What a plan is a function of. Numbers without another limit must be below 2^63.
struct PlanConfig {
  std::uint64_t samples = 0;     ///< Samples of one epoch; at most 2^63.
  std::uint64_t batch_size = 1;  ///< Samples of a full batch of one rank; at least 1.
  std::uint64_t rank = 0;        ///< Below `world_size`.
  std::uint64_t world_size = 1;  ///< At least 1; `world_size` x `batch_size` is at most 2^63.
  std::uint64_t seed = 0;        ///< Any number.
  bool shuffle = false;          ///< Whether each epoch has a random order of its own.
  Tail tail = Tail::short_batch;
  std::uint64_t epochs = 1;  ///< Epochs in all, those before `start` included; 0 is endless.
  /// Where to begin. Its `dataset_size`, `fingerprint`, `seed` and `shuffle` are not looked at.
  LoaderState start = {};
  std::uint64_t fingerprint = 0;  ///< Of the samples; only states show it.
};

/// One batch of one rank.
///
/// Positions count the places of the epoch that `PlanConfig::start` leaves to be handed out.
struct PlannedBatch {
  std::uint64_t id = 0;          ///< Equal on all ranks for the same step.
  std::uint64_t epoch = 0;       ///< Pass over the data, from 0.
  std::uint64_t step = 0;        ///< Step of the epoch's remaining part, from 0.
  std::uint64_t first = 0;       ///< This rank's first position.
  std::uint64_t valid = 0;       ///< This rank's positions; 0 where a last step left it none.
  std::uint64_t rows = 0;        ///< Rows of the tensors.
  std::uint64_t read_rows = 0;   ///< Rows with a sample, repeated ones included; the rest is zero.
  std::uint64_t step_first = 0;  ///< First position of the step, over all ranks.
  std::uint64_t step_valid = 0;  ///< Positions of the step, over all ranks.

  /// How `Plan` turns positions into places and places into samples.
  struct Route {
    std::uint64_t base = 0;     ///< First place that may remain.
    std::size_t gap_begin = 0;  ///< The plan's gaps that lie in this epoch.
    std::size_t gap_end = 0;
    Permutation order = {};  ///< Of this epoch; unused without shuffle.
  };
  Route route = {};
};

/// Which samples each batch of a rank holds: arithmetic on a few integers, no state.
///
/// Step k of an epoch covers `world_size` x `batch_size` consecutive positions and rank r its r-th
/// block; an incomplete last step is treated as Tail says. The places covered, in order, do not
/// depend on ranks and batch size. Design: docs/design/003-plan.md.
/// Immutable; any thread may call it. Costs grow with the logarithm of `start.early` at most.
class Plan {
 public:
  /// `batch_count()` of an endless plan.
  static constexpr std::uint64_t kEndless = UINT64_MAX;

  /// \throws Error  `invalid_argument` when a number is beyond its limit, `start` contradicts
  ///                itself, there would be 2^63 batches or more, or an endless plan has epochs
  ///                without a batch.
  explicit Plan(const PlanConfig& config);

  /// Batches of this rank, and of every other, over all epochs from `start` on.
  [[nodiscard]] std::uint64_t batch_count() const noexcept { return batch_count_; }

  /// Batch `b`, counted from 0 at `start`.
  ///
  /// \throws Error  `invalid_argument` when `b` is not below `batch_count()` or 2^63.
  [[nodiscard]] PlannedBatch batch(std::uint64_t b) const;

  /// Place, in the global sequence of the epoch, of `row`, which must be below `read_rows`.
  [[nodiscard]] std::uint64_t place(const PlannedBatch& batch, std::uint64_t row) const noexcept;

  /// Sample of `row`, which must be below `read_rows`.
  [[nodiscard]] std::uint64_t sample(const PlannedBatch& batch, std::uint64_t row) const noexcept;

  /// Order of the samples of `epoch` when the plan shuffles.
  [[nodiscard]] Permutation epoch_order(std::uint64_t epoch) const;

  /// Seed of all randomness of sample `index` in `epoch`.
  [[nodiscard]] std::uint64_t random_key(std::uint64_t epoch, std::uint64_t index) const noexcept;

  /// State when the batches up to and including `b` of every rank have been handed out.
  ///
  /// \throws Error  `invalid_argument` when there is no batch `b`.
  [[nodiscard]] LoaderState state_after(std::uint64_t b) const;

  /// State when this rank has handed out its batches before `next` and those in `later`.
  ///
  /// Only after LoaderState::merge over all ranks does it say what every rank has handed out.
  /// \param next   First batch not handed out; `batch_count()` when there is none.
  /// \param later  Batches handed out, in any order; those before `next` change nothing.
  /// \throws Error  `invalid_argument` when a batch does not exist.
  [[nodiscard]] LoaderState state_unordered(std::uint64_t next,
                                            std::span<const std::uint64_t> later) const;

 private:
  // Places that were handed out before, in the middle of those that remain.
  struct Gap {
    std::uint64_t position;  // Positions of the epoch that lie before the gap.
    std::uint64_t skipped;   // Places in this gap and the earlier ones of the epoch.
  };
  // What remains of one epoch.
  struct Part {
    std::uint64_t epoch;
    std::uint64_t first_batch;
    std::uint64_t steps;
    std::uint64_t base;
    std::uint64_t remaining;
    std::size_t gap_begin;
    std::size_t gap_end;
  };

  void lay_out();
  void append_part(std::uint64_t epoch,
                   std::uint64_t base,
                   std::uint64_t first_batch,
                   std::span<const LoaderState::Early> early);
  void check_batch(std::uint64_t b) const;
  [[nodiscard]] std::uint64_t steps_of(std::uint64_t places) const noexcept;
  [[nodiscard]] Part part_of(std::uint64_t b) const noexcept;
  [[nodiscard]] std::uint64_t place_at(const PlannedBatch::Route& route,
                                       std::uint64_t position) const noexcept;

  PlanConfig config_;
  std::uint64_t step_size_ = 0;    // Positions of a full step.
  std::uint64_t whole_steps_ = 0;  // Steps of an epoch of which nothing was handed out.
  std::uint64_t batch_count_ = 0;
  std::vector<Part> parts_;  // The first epoch and those with early ranges; all others are whole.
  std::vector<Gap> gaps_;
};

}  // namespace headrace::loader
