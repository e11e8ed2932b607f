// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/source.h"

#include "loader/plan.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace headrace::loader {

/// Takes batches from a DataSource in the order of the plan, one call at a time.
///
/// Several workers may ask at once, each for a batch of its own; each waits for its turn.
class SerialFeed {
 public:
  /// \param stopping  Looked at before every call of the source's.
  SerialFeed(std::shared_ptr<DataSource> source, const std::atomic<bool>& stopping);

  [[nodiscard]] std::uint64_t size() const { return source_->size(); }

  /// Makes batch 0 the next one. Not while a `take` is under way.
  void begin(std::size_t batch_size);

  /// Gives batch `b`, whose first sample is `place` of its epoch, when the batches before it were
  /// taken. The first batch, and one after a call of the source's that failed, begins with a reset
  /// and reads up to its place, so a batch never holds other samples than the plan says.
  ///
  /// \returns nullopt when the loader is being stopped.
  /// \throws  What the source throws; Error `corrupt_data` when it gives other rows than it
  /// promised.
  std::optional<SourceBatch> take(std::uint64_t b, const PlannedBatch& plan, std::uint64_t place);

  /// Has every wait for a turn look whether the loader is being stopped.
  void end();

 private:
  /// Passes the turn on whatever happens, so that one failed batch does not hold up the rest.
  class Turn {
   public:
    explicit Turn(SerialFeed& feed) : feed_(feed) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();

   private:
    SerialFeed& feed_;
  };

  void go_to(std::uint64_t place);
  static void check(const SourceBatch& batch, const PlannedBatch& plan);

  const std::shared_ptr<DataSource> source_;
  const std::atomic<bool>& stopping_;
  std::mutex mutex_;
  std::condition_variable turn_changed_;
  std::uint64_t turn_ = 0;      // guarded by mutex_
  std::size_t batch_size_ = 1;  // the rest belongs to whoever has the turn
  bool in_step_ = false;        // the source stands where the last batch ended
};

}  // namespace headrace::loader
