// SPDX-License-Identifier: Apache-2.0
#include "core/timeline.h"

#include "headrace/error.h"

#include "core/log.h"

#include <algorithm>
#include <utility>

namespace headrace::core {

namespace {
std::uint64_t next_stream_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}
/// Longer than anybody waits, and short enough to be added to a clock's time.
constexpr std::chrono::nanoseconds kForever = std::chrono::hours(24 * 365 * 10);
/// Uses by more streams than this are worth looking through for those that are over.
constexpr std::size_t kManyStreams = 8;
}  // namespace

StreamState::StreamState(std::shared_ptr<BackendDevice> device,
                         std::shared_ptr<BackendStream> backend,
                         Owner owner)
    : id_(next_stream_id()),
      short_id_(core::short_id(id_)),
      device_(std::move(device)),
      owner_(owner),
      stamp_(backend->is_private() ? 0 : 1),
      exposed_(!backend->is_private()),
      backend_(std::move(backend)) {}

void StreamState::set_stamp(MarkerSerial begun, bool is_dirty) noexcept {
  begun_.store(begun, std::memory_order_release);
  dirty_ = is_dirty;
  stamp_.store(begun + (dirty_ || exposed_ ? 1 : 0), std::memory_order_release);
}

NativeHandle StreamState::native_handle() {
  require_current();
  const std::scoped_lock lock(mutex_);
  if (!retired_) {
    exposed_ = true;
    set_stamp(begun_.load(std::memory_order_relaxed), dirty_);
  }
  return backend_ ? backend_->native_handle() : NativeHandle{};
}

bool StreamState::is_capturing() const {
  require_current();
  const std::scoped_lock lock(mutex_);
  return backend_ && backend_->is_capturing();
}

void StreamState::submit(std::shared_ptr<Submission> submission) {
  require_current();
  const std::scoped_lock lock(mutex_);
  if (!backend_) {
    throw Error(ErrorCode::internal, "Work was submitted to a stream that is closed.");
  }
  set_stamp(begun_.load(std::memory_order_relaxed), true);
  backend_->submit(std::move(submission));
}

Ticket StreamState::stamp() {
  if (owner_ == Owner::adopted) {
    return mark();
  }
  return {shared_from_this(), stamp_serial()};
}

Ticket StreamState::next() noexcept {
  return {weak_from_this().lock(), begun_.load(std::memory_order_acquire) + 1};
}

Ticket StreamState::mark() {
  const MarkerSerial serial = begun_.load(std::memory_order_acquire) + 1;
  recorded(serial);
  return {shared_from_this(), serial};
}

std::shared_ptr<BackendStream> StreamState::recorded(MarkerSerial serial) {
  require_current();
  const std::scoped_lock lock(mutex_);
  while (backend_ && recorded_.load(std::memory_order_relaxed) < serial) {
    const MarkerSerial next = recorded_.load(std::memory_order_relaxed) + 1;
    // Before the call: work that others launch while it is under way is behind the marker.
    set_stamp(next, false);
    try {
      backend_->signal(next);
    } catch (...) {
      set_stamp(next - 1, true);
      throw;
    }
    recorded_.store(next, std::memory_order_release);
  }
  return backend_;
}

void StreamState::raise_completed(MarkerSerial serial) noexcept {
  MarkerSerial seen = completed_.load(std::memory_order_relaxed);
  while (seen < serial &&
         !completed_.compare_exchange_weak(seen, serial, std::memory_order_acq_rel)) {
  }
}

bool StreamState::is_complete(MarkerSerial serial) noexcept {
  if (has_passed(serial) || !process_.is_current()) {
    return true;
  }
  try {
    if (serial > recorded_.load(std::memory_order_acquire) && is_capturing()) {
      return false;
    }
    const std::shared_ptr<BackendStream> backend = recorded(serial);
    if (!backend) {
      return true;
    }
    raise_completed(backend->completed());
    return serial <= completed_.load(std::memory_order_acquire);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::device_lost) {
      log_error(error.what());
      return false;
    }
    is_lost_.store(true, std::memory_order_relaxed);
    return true;
  } catch (const std::exception& error) {
    log_error(error.what());
    return false;
  }
}

void StreamState::wait(MarkerSerial serial) {
  while (!wait(serial, kForever)) {
  }
}

bool StreamState::wait(MarkerSerial serial, std::chrono::nanoseconds timeout) {
  require_current();
  if (serial <= completed_.load(std::memory_order_acquire)) {
    return true;
  }
  const std::shared_ptr<BackendStream> backend = recorded(serial);
  if (!backend) {
    return true;
  }
  if (!backend->wait(serial, std::min(timeout, kForever))) {
    return false;
  }
  raise_completed(serial);
  return true;
}

void StreamState::wait_on(const Ticket& ticket) {
  require_current();
  ticket.stream->require_current();
  if (ticket.stream.get() == this || ticket.stream->is_complete(ticket.serial)) {
    return;
  }
  if (ticket.stream->device_ != device_) {
    throw Error(ErrorCode::invalid_argument, "A stream cannot wait for work on another device.");
  }
  const std::shared_ptr<BackendStream> producer = ticket.stream->recorded(ticket.serial);
  const std::scoped_lock lock(mutex_);
  if (producer && backend_) {
    set_stamp(begun_.load(std::memory_order_relaxed), true);
    backend_->wait_for(*producer, ticket.serial);
  }
}

void StreamState::retire() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    retired_ = true;
  }
  try {
    mark();
    const std::scoped_lock lock(mutex_);
    exposed_ = false;  // No handle is left that work could come by.
    set_stamp(begun_.load(std::memory_order_relaxed), dirty_);
  } catch (const std::exception& error) {
    log_error(error.what());  // `reap` tries again.
  }
}

bool StreamState::reap() noexcept {
  const MarkerSerial last = stamp_serial();
  if (!is_complete(last)) {
    return false;
  }
  std::shared_ptr<BackendStream> closing;
  const std::scoped_lock lock(mutex_);
  if (retired_ && last == recorded_.load(std::memory_order_relaxed) && !dirty_) {
    closing = std::move(backend_);
  }
  return backend_ == nullptr;
}

void UseList::add(const Ticket& ticket) {
  for (Use& mine : uses_) {
    if (mine.ticket.stream == ticket.stream) {
      mine.ticket.serial = std::max(mine.ticket.serial, ticket.serial);
      mine.covered_by = 0;
      return;
    }
  }
  if (uses_.size() >= kManyStreams) {
    all_complete();
  }
  uses_.push_back({ticket});
}

void UseList::add(const UseList& other) {
  for (const Use& use : other.uses_) {
    add(use.ticket);
  }
}

void UseList::cover_by(const StreamState& stream) noexcept {
  for (Use& use : uses_) {
    use.covered_by = stream.id();
  }
}

void UseList::drop_covered_by(const StreamState& stream) noexcept {
  std::erase_if(uses_, [&stream](const Use& use) { return use.covered_by == stream.id(); });
}

bool UseList::all_complete() noexcept {
  std::erase_if(uses_,
                [](const Use& use) { return use.ticket.stream->is_complete(use.ticket.serial); });
  return uses_.empty();
}

bool UseList::all_complete_or_on(const StreamState& stream) noexcept {
  std::erase_if(uses_, [&stream](const Use& use) {
    return use.ticket.stream.get() != &stream && use.ticket.stream->is_complete(use.ticket.serial);
  });
  return std::ranges::all_of(
      uses_, [&stream](const Use& use) { return use.ticket.stream.get() == &stream; });
}

bool UseList::all_passed_or_on(const StreamState* stream) noexcept {
  std::erase_if(uses_,
                [](const Use& use) { return use.ticket.stream->has_passed(use.ticket.serial); });
  return uses_.empty() || (stream != nullptr && is_only_on(*stream));
}

std::optional<std::uint64_t> UseList::only_stream() const noexcept {
  return uses_.size() == 1 ? std::optional(uses_.front().ticket.stream->id()) : std::nullopt;
}

void UseList::make_wait(StreamState& stream) const {
  for (const Use& use : uses_) {
    stream.wait_on(use.ticket);
  }
}

bool UseList::wait(std::chrono::nanoseconds timeout) const {
  return std::ranges::all_of(uses_, [timeout](const Use& use) {
    return use.ticket.stream->wait(use.ticket.serial, timeout);
  });
}

void UseList::wait() const {
  for (const Use& use : uses_) {
    use.ticket.stream->wait(use.ticket.serial);
  }
}

}  // namespace headrace::core
