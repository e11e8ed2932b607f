// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/loader.h"

#include "core/histogram.h"
#include "core/process.h"
#include "loader/idle_workers.h"
#include "loader/mover.h"
#include "loader/plan.h"
#include "loader/read_ahead.h"
#include "loader/serial_feed.h"
#include "loader/slot.h"
#include "loader/slot_memory.h"
#include "sources/file_backed.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace headrace::loader {

/// What an AsyncDataLoader stands for. Design: docs/design/006-loader.md.
///
/// Workers take rows of the oldest batch that is not full, so that the next batch is always the one
/// all of them work on; whoever reads a batch's last row ships it. The consumer takes slots in the
/// plan's order. Slots get their memory in that order too, one at a time, so that no batch waits
/// for memory that a later one holds.
/// Locks, in order: `control_` (start, stop, restore: one at a time), `ship_` (one shipment at a
/// time), `mutex_` (all that follows it). No call of the source's or of the device's that can wait
/// is made under `mutex_`.
/// Life: workers share ownership, for a source may destroy its own loader; `stop` ends them.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  Engine(std::shared_ptr<SampleSource> source, AsyncDataLoaderConfig config);
  Engine(std::shared_ptr<DataSource> source, AsyncDataLoaderConfig config);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  void start();
  void stop() noexcept;
  void restore(const LoaderState& state);
  std::optional<GPUBatch> get(const Stream& stream, bool may_wait);
  [[nodiscard]] bool is_finished() const;
  [[nodiscard]] bool is_running() const;
  [[nodiscard]] LoaderState state() const;
  [[nodiscard]] AsyncDataLoaderStats stats() const;

  /// Takes what a batch brought along back, and looks again for memory where there was none.
  void recycle(std::unique_ptr<Lease> lease) noexcept;
  [[nodiscard]] const core::ProcessStamp& process() const noexcept { return process_; }
  [[nodiscard]] std::shared_ptr<core::StreamState> resolve(const Stream& stream) const;

 private:
  enum class Phase { idle, running, stopped };

  class Wake;

  /// A worker takes as many rows as it reads in this time, going by what rows took lately, before
  /// it looks whether an older batch needs it more: rows that take longer are taken one by one.
  static constexpr std::chrono::microseconds kChunkTime{200};

  /// Rows `begin` to `end` of a slot, for one worker.
  struct Chunk {
    Slot* slot = nullptr;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  using Lock = std::unique_lock<std::mutex>;
  using Clock = Trace::Clock;

  Engine(std::shared_ptr<SampleSource> source,
         std::shared_ptr<DataSource> serial_source,
         AsyncDataLoaderConfig config);

  // engine.cpp: life.
  [[nodiscard]] PlanConfig plan_config() const;
  [[nodiscard]] bool on_worker() const noexcept;
  void begin_generation();
  void empty_slots_locked();
  void end_running() noexcept;
  void join_workers() noexcept;
  [[nodiscard]] bool is_finished_locked() const;
  [[nodiscard]] LoaderState state_locked() const;

  // handoff.cpp: the consumer's side.
  /// What a waiting consumer has asked to have tried again.
  struct Asked {
    std::uint64_t batch = Slot::kNoBatch;
    std::uint64_t attempt = 0;  ///< Begun last when it asked: older ones say nothing new.
  };
  void require_running_locked(std::uint64_t generation) const;
  void ask_for_memory_locked(Asked& asked, bool may_wait);
  GPUBatch deliver(Slot& slot,
                   const std::shared_ptr<core::StreamState>& consumer,
                   Lock& lock,
                   Clock::time_point called,
                   bool waited);
  Slot* next_ready_locked();
  Slot* starved_slot_locked();
  GPUBatch hand_out(Slot& slot, const std::shared_ptr<core::StreamState>& stream, Lock& lock);
  GPUBatch make_batch(Slot& slot, const std::shared_ptr<core::StreamState>& stream);
  /// Returns by how many batches the window moved on.
  std::uint64_t note_handed_out(std::uint64_t batch);
  void count_failures(const Slot& slot);

  // worker.cpp: the workers' side.
  void run_worker(std::size_t number) noexcept;
  bool work_once(Lock& lock, SampleView& view, const std::string& track);
  std::optional<Chunk> next_chunk_locked();
  Slot* slot_to_open_locked();
  void open_slot(Slot& slot, Lock& lock);
  void fill_from_serial(Slot& slot, Lock& lock, const std::string& track);
  bool prepare_memory(Slot& slot, const std::shared_ptr<const BatchLayout>& layout);
  void provide(Slot& slot, const std::shared_ptr<const BatchLayout>& layout);
  bool take_from_empty(Slot& slot);
  bool drop_from_empty();
  bool begin_attempt(Slot& slot);
  void end_attempt(Slot& slot, std::exception_ptr starved);
  bool wait_for_last_use(const Slot& slot);
  /// Whether the loader stops, now or in that time.
  bool stops_within(std::chrono::milliseconds time);
  void ship(Slot& slot, Lock& lock);
  void list_failures(const Slot& slot) noexcept;
  [[nodiscard]] std::size_t rows_per_chunk(const Slot& slot) const;
  void trace(const std::string& track,
             const char* stage,
             Clock::time_point begin,
             Clock::time_point end,
             std::uint64_t batch) const noexcept;

  // reading.cpp: the workers' calls of the source.
  /// Rows that are asked for before it is looked whether more should be.
  static constexpr std::uint64_t kAskedAtOnce = 32;
  void ask_ahead(const Slot& slot, Lock& lock);
  void ask_for(const PlannedBatch& batch, std::uint64_t row, Lock& lock);
  void read_chunk(const Chunk& chunk, SampleView& view, Lock& lock, const std::string& track);
  /// Counts in `tried` the rows that it called the source for: all, unless it stops early.
  void read_rows(const Chunk& chunk,
                 SampleView& view,
                 std::vector<RowFailure>& failures,
                 std::size_t& tried) const;
  void prefetch(std::uint64_t sample) const noexcept;
  void read_row(const Chunk& chunk, std::size_t row, std::uint64_t sample, SampleView& view) const;

  const core::ProcessStamp process_;
  std::atomic<bool> stopping_{false};           // looked at before every call of the source's
  const std::shared_ptr<SampleSource> source_;  // one of the two is set
  const sources::FileBacked* const files_;      // source_, when it is one
  const std::unique_ptr<SerialFeed> serial_;
  const AsyncDataLoaderConfig config_;
  const std::string source_name_;
  const std::uint64_t size_;
  const std::uint64_t fingerprint_;  // 0 when it is not known
  const std::size_t most_rows_;      // of a batch's tensors
  const std::shared_ptr<const std::vector<Tensor>> weights_;
  const std::shared_ptr<const BatchLayout> layout_;  // null for a serial source

  std::mutex control_;
  std::vector<std::thread> workers_;  // guarded by control_
  std::mutex ship_;
  Mover mover_;  // guarded by ship_

  mutable std::mutex mutex_;
  IdleWorkers idle_;
  std::condition_variable retry_;  // a worker that waits for memory may try again, or must end
  std::condition_variable ready_;  // there may be something for a consumer
  Phase phase_ = Phase::idle;
  std::uint64_t generation_ = 0;
  std::unique_ptr<const Plan> plan_;  // of this generation; never null
  LoaderState start_;
  SlotMemory memory_;
  bool memory_is_short_ = false;  // found lately; belongs to who opens the slot that lacks memory
  std::vector<Slot> slots_;
  const std::size_t depth_;                  // batches ready at once: the config's, or what fits
  std::uint64_t next_batch_ = 0;             // lowest batch not handed out
  std::vector<std::uint64_t> handed_early_;  // batches above it that were, sorted
  std::vector<std::unique_ptr<Lease>> spare_leases_;
  ReadAhead read_ahead_;
  Clock::duration row_time_ = kChunkTime;  // that a row took to read, lately
  std::uint64_t failures_seen_ = 0;        // in batches handed out
  AsyncDataLoaderStats counts_;
  core::Histogram read_time_;
  core::Histogram slot_wait_time_;
  core::Histogram ship_time_;
  core::Histogram batch_wait_time_;
  core::Histogram handoff_time_;
};

}  // namespace headrace::loader
