// SPDX-License-Identifier: Apache-2.0
#include "core/command_pool.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/log.h"
#include "core/storage.h"
#include "core/stream_track.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace::core {

namespace {

/// Puts the command buffer back before anybody hears that its work is done.
class CommandCompletion final : public CompletionState {
 public:
  CommandCompletion(Ticket ticket,
                    std::shared_ptr<const Outcome> outcome,
                    std::weak_ptr<CommandPoolState> pool)
      : CompletionState(std::move(ticket), std::move(outcome)), pool_(std::move(pool)) {}

 private:
  void settle() noexcept override {
    if (const std::shared_ptr<CommandPoolState> pool = pool_.lock()) {
      pool->settle();
    }
  }
  std::weak_ptr<CommandPoolState> pool_;
};

bool is_passed(const Ticket& ticket) noexcept {
  return ticket.stream == nullptr || ticket.stream->is_complete(ticket.serial);
}

/// Waits until `ticket` is passed. A lost device has passed every ticket.
void wait_for_end(const Ticket& ticket) {
  try {
    if (ticket.stream) {
      ticket.stream->wait(ticket.serial);
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::device_lost) {
      throw;
    }
  }
}

}  // namespace

void CommandSlot::clear() {
  label.clear();
  commands.clear();
  accesses.clear();
}

CommandPoolState::CommandPoolState(const Stream& stream,
                                   std::size_t max_buffers,
                                   std::shared_ptr<Trace> trace)
    : stream_(StreamAccess::lease(stream)), max_buffers_(max_buffers), trace_(std::move(trace)) {
  stats_.max_buffers = max_buffers;
}

CommandSlot& CommandPoolState::slot_of(const CommandBuffer& buffer, const char* call) {
  if (!buffer.slot_) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} was given an empty command buffer.", call));
  }
  return *buffer.slot_;
}

CommandBuffer CommandPoolState::hold(std::shared_ptr<CommandSlot> slot) {
  CommandBuffer buffer;
  buffer.slot_ = std::move(slot);
  return buffer;
}

std::optional<CommandBuffer> CommandPoolState::try_get() {
  settle();
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<CommandSlot> slot = take_locked();
  return slot ? std::optional(hold(std::move(slot))) : std::nullopt;
}

std::shared_ptr<CommandSlot> CommandPoolState::take_locked() {
  if (!idle_.empty()) {
    std::shared_ptr<CommandSlot> slot = std::move(idle_.back());
    idle_.pop_back();
    return slot;
  }
  if (stats_.total_buffers == max_buffers_) {
    return nullptr;
  }
  idle_.reserve(stats_.total_buffers + 1);  // Giving it back cannot fail.
  auto slot = make_shared_here<CommandSlot>();
  slot->id = ++last_id_;
  slot->pool = weak_from_this();
  slot->stream = stream_;
  ++stats_.total_buffers;
  return slot;
}

CommandBuffer CommandPoolState::get(Taker taker) {
  while (true) {
    settle();
    Ticket oldest;
    {
      std::unique_lock lock(mutex_);
      in_hand_.reserve(in_hand_.size() + 1);
      if (std::shared_ptr<CommandSlot> slot = take_locked()) {
        if (taker == Taker::batch) {
          in_hand_.push_back(std::this_thread::get_id());
        }
        return hold(std::move(slot));
      }
      if (in_flight_.empty()) {
        if (!one_comes_back_locked()) {
          throw Error(
              ErrorCode::capacity,
              fmt::format("All {} command buffers of the pool are held and none is in flight.",
                          max_buffers_));
        }
        changed_.wait(lock);
        continue;
      }
      oldest = in_flight_.front().completion->ticket();
    }
    wait_for_end(oldest);
  }
}

bool CommandPoolState::one_comes_back_locked() const {
  // Who records or submits on this very thread waits for us.
  return !in_hand_.empty() &&
         std::ranges::find(in_hand_, std::this_thread::get_id()) == in_hand_.end();
}

CommandPoolState::InHand::InHand(CommandPoolState& pool) : pool_(pool) {
  const std::scoped_lock lock(pool_.mutex_);
  pool_.in_hand_.push_back(std::this_thread::get_id());
}

CommandPoolState::InHand::~InHand() {
  const std::scoped_lock lock(pool_.mutex_);
  pool_.in_hand_.erase(std::ranges::find(pool_.in_hand_, std::this_thread::get_id()));
  pool_.changed_.notify_all();
}

void CommandPoolState::put_back(std::shared_ptr<CommandSlot> slot) noexcept {
  if (!process_.is_current()) {
    return;
  }
  slot->clear();
  const std::scoped_lock lock(mutex_);
  idle_.push_back(std::move(slot));
  changed_.notify_all();
}

Completion CommandPoolState::execute(CommandBuffer&& buffer, std::vector<Handler> handlers) {
  CommandSlot& slot = slot_of(buffer, "CommandBufferPool::execute_async");
  if (slot.pool.lock().get() != this) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("Command buffer {} belongs to another pool.", slot.id));
  }
  if (!stream_->stream()->takes_markers()) {
    throw Error(ErrorCode::invalid_argument,
                "Commands cannot be submitted to a stream that is being captured, or has a "
                "CaptureScope whose end_capture was not called.");
  }
  const InHand in_hand(*this);
  prepare_for(handlers);
  std::shared_ptr<Submission> submission;
  std::exception_ptr error;
  try {
    submission = prepare(slot);
  } catch (...) {
    error = std::current_exception();
  }
  const std::scoped_lock lock(submit_mutex_);
  return track(
      {std::move(buffer.slot_),
       error ? std::make_shared<CompletionState>(error) : submit(slot, std::move(submission)),
       std::move(handlers)});
}

void CommandPoolState::prepare_for(const std::vector<Handler>& handlers) {
  const std::scoped_lock lock(mutex_);
  if (closing_ && !on_worker()) {
    throw Error(ErrorCode::invalid_argument, "The CommandBufferPool is being destroyed.");
  }
  if (!handlers.empty() && !worker_.joinable() && !closing_) {
    worker_ = std::thread([self = shared_from_this()] { self->run_worker(); });
    worker_id_ = worker_.get_id();
  }
}

/// Runs functions of the caller's, so no lock is held.
std::shared_ptr<Submission> CommandPoolState::prepare(CommandSlot& slot) {
  StreamState& stream = *stream_->stream();
  auto submission = std::make_shared<Submission>();
  submission->commands = std::exchange(slot.commands, {});
  slot.commands.reserve(submission->commands.size());  // What comes next is often as long.
  record_on_track(*submission, stream, trace_);
  const bool has_launches = std::ranges::any_of(submission->commands, [](const Command& command) {
    return std::holds_alternative<LaunchCommand>(command.work);
  });
  if (has_launches) {
    stream.prepare(*submission);
  }
  return submission;
}

std::shared_ptr<CompletionState> CommandPoolState::submit(CommandSlot& slot,
                                                          std::shared_ptr<Submission> submission) {
  StreamState& stream = *stream_->stream();
  try {
    for (const CommandSlot::Access& access : slot.accesses) {
      Block& block = access.storage->block();
      access.writes ? block.before_write(stream) : block.before_read(stream);
    }
    const std::shared_ptr<Outcome> outcome = submission->outcome;
    const std::exception_ptr failure = submit_all_or_part(stream, std::move(submission));
    const Ticket end = stream.point();
    for (const CommandSlot::Access& access : slot.accesses) {
      Block& block = access.storage->block();
      access.writes ? block.after_write(end, outcome) : block.after_read(end);
    }
    if (failure) {
      return std::make_shared<CompletionState>(failure);
    }
    return std::make_shared<CommandCompletion>(stream.mark(), outcome, weak_from_this());
  } catch (...) {
    return std::make_shared<CompletionState>(std::current_exception());
  }
}

Completion CommandPoolState::execute_batch(std::span<const BatchOperation> operations) {
  if (operations.empty()) {
    throw Error(ErrorCode::invalid_argument, "execute_batch was given no operations.");
  }
  CommandBuffer buffer = get(Taker::batch);
  const InHand in_hand(*this, std::adopt_lock);
  const std::shared_ptr<CommandSlot> slot = buffer.slot_;
  std::vector<Handler> handlers;
  std::exception_ptr error;
  for (const BatchOperation& operation : operations) {
    if (operation.completion) {
      handlers.push_back(operation.completion);
    }
    try {
      slot->label = operation.type;
      if (operation.data && !error) {
        operation.data(buffer);
      }
    } catch (...) {
      error = std::current_exception();
    }
  }
  const bool is_ours = buffer.slot_ == slot;
  if (!error && is_ours) {
    return execute(std::move(buffer), std::move(handlers));
  }
  if (!error) {
    error = std::make_exception_ptr(
        Error(ErrorCode::invalid_argument, "An operation of the batch took the command buffer."));
  }
  const std::scoped_lock lock(submit_mutex_);
  prepare_for(handlers);
  return track({is_ours ? std::move(buffer.slot_) : nullptr,
                std::make_shared<CompletionState>(error),
                std::move(handlers)});
}

Completion CommandPoolState::track(InFlight entry) {
  Completion completion = CompletionAccess::make(entry.completion);
  if (entry.slot) {
    entry.slot->clear();
  }
  const std::scoped_lock lock(mutex_);
  if (entry.completion->ticket().stream) {
    ++stats_.submissions;
  } else if (entry.slot) {
    idle_.push_back(std::move(entry.slot));  // Nothing was submitted that could use it.
  }
  in_flight_.push_back(std::move(entry));
  changed_.notify_all();
  return completion;
}

void CommandPoolState::settle() noexcept {
  if (!process_.is_current()) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  while (!in_flight_.empty() && is_passed(in_flight_.front().completion->ticket())) {
    InFlight& done = in_flight_.front();
    if (done.slot) {
      idle_.push_back(std::move(done.slot));
    }
    if (!done.handlers.empty()) {
      due_.push_back({std::move(done.handlers), done.completion});
    }
    in_flight_.pop_front();
    changed_.notify_all();
  }
}

void CommandPoolState::run_worker() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !due_.empty() || !in_flight_.empty() || closing_; });
    if (!due_.empty()) {
      Due due = std::move(due_.front());
      due_.pop_front();
      running_handlers_ = true;
      lock.unlock();
      run_handlers(due);
      due = {};
      lock.lock();
      running_handlers_ = false;
      changed_.notify_all();
    } else if (!in_flight_.empty()) {
      const Ticket oldest = in_flight_.front().completion->ticket();
      lock.unlock();
      try {
        wait_for_end(oldest);
      } catch (const std::exception& error) {
        log_error(error.what());
      }
      settle();
      lock.lock();
    } else {
      return;
    }
  }
}

void CommandPoolState::run_handlers(const Due& due) {
  std::exception_ptr error = due.completion->failure();
  for (const Handler& handler : due.handlers) {
    try {
      handler(error);
    } catch (const std::exception& thrown) {
      log_error(fmt::format("a completion handler threw: {}", thrown.what()));
      const std::scoped_lock lock(mutex_);
      ++stats_.handler_errors;
    } catch (...) {
      log_error("a completion handler threw something that is no std::exception");
      const std::scoped_lock lock(mutex_);
      ++stats_.handler_errors;
    }
  }
}

bool CommandPoolState::on_worker() const noexcept {
  return worker_id_.load() == std::this_thread::get_id();
}

CommandPoolStats CommandPoolState::stats() {
  settle();
  const std::scoped_lock lock(mutex_);
  CommandPoolStats stats = stats_;
  stats.available_buffers = idle_.size();
  stats.in_use_buffers = stats.total_buffers - idle_.size();
  return stats;
}

void CommandPoolState::wait_for_work() noexcept {
  while (true) {
    Ticket oldest;
    {
      const std::scoped_lock lock(mutex_);
      if (in_flight_.empty()) {
        return;
      }
      oldest = in_flight_.front().completion->ticket();
    }
    try {
      wait_for_end(oldest);
    } catch (const std::exception& error) {
      log_error(error.what());  // Called by the work itself, whose end it cannot wait for.
      return;
    }
    settle();
  }
}

void CommandPoolState::cleanup(bool closing) noexcept {
  if (!process_.is_current()) {
    return;
  }
  wait_for_work();
  std::vector<std::shared_ptr<CommandSlot>> dropped;
  std::thread worker;
  {
    std::unique_lock lock(mutex_);
    if (!on_worker()) {
      changed_.wait(lock, [this] { return due_.empty() && !running_handlers_; });
    }
    stats_.total_buffers -= idle_.size();
    dropped.swap(idle_);
    if (closing) {
      closing_ = true;
      worker.swap(worker_);
      changed_.notify_all();
    }
  }
  if (worker.joinable()) {
    on_worker() ? worker.detach() : worker.join();
  }
}

}  // namespace headrace::core
