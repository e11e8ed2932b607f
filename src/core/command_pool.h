// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/command_buffer.h"

#include "core/completion_state.h"
#include "core/process.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace headrace::core {

class CommandPoolState;
class Storage;

/// What one CommandBuffer has recorded.
struct CommandSlot {
  struct Access {
    std::shared_ptr<Storage> storage;  ///< Of a tensor.
    bool writes = false;
  };

  int id = 0;
  std::weak_ptr<CommandPoolState> pool;
  std::shared_ptr<StreamLease> stream;
  std::string label;  ///< Of the operations recorded next.
  std::vector<Command> commands;
  std::vector<Access> accesses;

  void clear();
};

using Handler = std::function<void(std::exception_ptr)>;

/// What the handles of a CommandBufferPool stand for. Design: docs/design/005-command-buffers.md.
///
/// Life of a buffer: idle, held, in flight, idle. Submissions leave `in_flight_` in order, when
/// their marker is passed and somebody looks: a wait on the Completion, a taker of buffers, or the
/// worker. Whoever it is puts the buffer back first and then queues the handlers for the worker, so
/// no handler has to run for anybody else to go on. Lock order: `submit_mutex_`, `mutex_`, a
/// StreamState's. Nothing is waited for and no handler runs under it.
///
/// A call of the pool's that has a buffer in hand brings it back, in flight or idle, so `get` waits
/// for it; a buffer in a caller's hand may never come, so `get` does not wait for that. While the
/// pool is being closed only its own handlers submit, for the worker that runs them still lives.
class CommandPoolState : public std::enable_shared_from_this<CommandPoolState> {
 public:
  CommandPoolState(const Stream& stream, std::size_t max_buffers, std::shared_ptr<Trace> trace);

  static CommandSlot& slot_of(const CommandBuffer& buffer, const char* call);

  CommandBuffer get() { return get(Taker::caller); }
  std::optional<CommandBuffer> try_get();
  void put_back(std::shared_ptr<CommandSlot> slot) noexcept;
  Completion execute(CommandBuffer&& buffer, std::vector<Handler> handlers);
  Completion execute_batch(std::span<const BatchOperation> operations);
  [[nodiscard]] CommandPoolStats stats();
  [[nodiscard]] const ProcessStamp& process() const noexcept { return process_; }

  /// Moves what is done out of flight.
  void settle() noexcept;
  /// See CommandBufferPool::cleanup; with `closing` the worker ends too.
  void cleanup(bool closing) noexcept;

 private:
  struct InFlight {
    std::shared_ptr<CommandSlot> slot;
    std::shared_ptr<CompletionState> completion;
    std::vector<Handler> handlers;
  };
  struct Due {
    std::vector<Handler> handlers;
    std::shared_ptr<CompletionState> completion;
  };

  /// A call under way that has a buffer in hand.
  class InHand {
   public:
    explicit InHand(CommandPoolState& pool);
    InHand(CommandPoolState& pool, std::adopt_lock_t /*noted*/) : pool_(pool) {}
    InHand(const InHand&) = delete;
    InHand& operator=(const InHand&) = delete;
    ~InHand();

   private:
    CommandPoolState& pool_;
  };
  enum class Taker { caller, batch };

  CommandBuffer get(Taker taker);
  std::shared_ptr<CommandSlot> take_locked();
  [[nodiscard]] bool one_comes_back_locked() const;
  void prepare_for(const std::vector<Handler>& handlers);
  std::shared_ptr<Submission> prepare(CommandSlot& slot);
  std::shared_ptr<CompletionState> submit(CommandSlot& slot,
                                          std::shared_ptr<Submission> submission);
  Completion track(InFlight entry);
  void run_worker();
  void run_handlers(const Due& due);
  void wait_for_work() noexcept;
  [[nodiscard]] bool on_worker() const noexcept;
  CommandBuffer hold(std::shared_ptr<CommandSlot> slot);

  const ProcessStamp process_;
  const std::shared_ptr<StreamLease> stream_;
  const std::size_t max_buffers_;
  const std::shared_ptr<Trace> trace_;
  std::mutex submit_mutex_;  // makes the order of `in_flight_` that of the stream
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<CommandSlot>> idle_;  // guarded by mutex_
  std::deque<InFlight> in_flight_;                  // guarded by mutex_
  std::deque<Due> due_;                             // guarded by mutex_
  std::vector<std::thread::id> in_hand_;            // guarded by mutex_; who has a buffer in hand
  bool running_handlers_ = false;                   // guarded by mutex_
  bool closing_ = false;                            // guarded by mutex_
  CommandPoolStats stats_;                          // guarded by mutex_
  int last_id_ = 0;                                 // guarded by mutex_
  std::thread worker_;                              // started under mutex_, joined by cleanup
  std::atomic<std::thread::id> worker_id_{};
};

}  // namespace headrace::core
