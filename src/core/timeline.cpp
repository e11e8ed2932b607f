// SPDX-License-Identifier: Apache-2.0
#include "core/timeline.h"

#include <algorithm>
#include <utility>

#include "headrace/error.h"

#include "core/log.h"

namespace headrace::core {

namespace {
std::uint64_t next_stream_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}
constexpr std::chrono::nanoseconds kForever = std::chrono::hours(24);
}  // namespace

StreamState::StreamState(std::shared_ptr<BackendDevice> device,
                         std::shared_ptr<BackendStream> backend,
                         Owner owner)
    : id_(next_stream_id()),
      device_(std::move(device)),
      owner_(owner),
      exposed_(!backend->is_private()),
      backend_(std::move(backend)) {}

NativeHandle StreamState::native_handle() {
  const std::scoped_lock lock(mutex_);
  exposed_.store(true, std::memory_order_release);
  return backend_ ? backend_->native_handle() : NativeHandle{};
}

bool StreamState::is_capturing() const {
  const std::scoped_lock lock(mutex_);
  return backend_ && backend_->is_capturing();
}

void StreamState::submit(std::shared_ptr<Submission> submission) {
  const std::scoped_lock lock(mutex_);
  if (!backend_) {
    throw Error(ErrorCode::internal, "Work was submitted to a stream that is closed.");
  }
  dirty_.store(true, std::memory_order_release);
  backend_->submit(std::move(submission));
}

Ticket StreamState::stamp() {
  if (owner_ == Owner::adopted) {
    return mark();
  }
  const bool may_have_work =
      dirty_.load(std::memory_order_acquire) || exposed_.load(std::memory_order_acquire);
  const MarkerSerial last = recorded_.load(std::memory_order_acquire);
  return {shared_from_this(), may_have_work ? last + 1 : last};
}

Ticket StreamState::mark() {
  const MarkerSerial serial = recorded_.load(std::memory_order_acquire) + 1;
  recorded(serial);
  return {shared_from_this(), serial};
}

std::shared_ptr<BackendStream> StreamState::recorded(MarkerSerial serial) {
  const std::scoped_lock lock(mutex_);
  const MarkerSerial last = recorded_.load(std::memory_order_relaxed);
  if (backend_ && serial > last) {
    backend_->signal(last + 1);
    recorded_.store(last + 1, std::memory_order_release);
    dirty_.store(false, std::memory_order_release);
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
  if (serial <= completed_.load(std::memory_order_acquire)) {
    return true;
  }
  try {
    const std::shared_ptr<BackendStream> backend = recorded(serial);
    if (!backend) {
      return true;
    }
    raise_completed(backend->completed());
    return serial <= completed_.load(std::memory_order_acquire);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::device_lost) {
      log_error(error.what());
    }
    return error.code() == ErrorCode::device_lost;
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
  if (serial <= completed_.load(std::memory_order_acquire)) {
    return true;
  }
  const std::shared_ptr<BackendStream> backend = recorded(serial);
  if (!backend) {
    return true;
  }
  if (!backend->wait(serial, timeout)) {
    return false;
  }
  raise_completed(serial);
  return true;
}

void StreamState::wait_on(const Ticket& ticket) {
  if (ticket.stream.get() == this || ticket.stream->is_complete(ticket.serial)) {
    return;
  }
  const std::shared_ptr<BackendStream> producer = ticket.stream->recorded(ticket.serial);
  const std::scoped_lock lock(mutex_);
  if (producer && backend_) {
    dirty_.store(true, std::memory_order_release);
    backend_->wait_for(*producer, ticket.serial);
  }
}

void StreamState::retire() noexcept {
  try {
    mark();
  } catch (const std::exception& error) {
    log_error(error.what());
  }
  const std::scoped_lock lock(mutex_);
  retired_ = true;
}

bool StreamState::reap() noexcept {
  const MarkerSerial last = recorded_.load(std::memory_order_acquire);
  if (!is_complete(last)) {
    return false;
  }
  std::shared_ptr<BackendStream> closing;
  const std::scoped_lock lock(mutex_);
  if (retired_ && last == recorded_.load(std::memory_order_relaxed)) {
    closing = std::move(backend_);
  }
  return backend_ == nullptr;
}

void UseList::add(const Ticket& ticket) {
  for (Ticket& mine : tickets_) {
    if (mine.stream == ticket.stream) {
      mine.serial = std::max(mine.serial, ticket.serial);
      return;
    }
  }
  tickets_.push_back(ticket);
}

void UseList::add(const UseList& other) {
  for (const Ticket& ticket : other.tickets_) {
    add(ticket);
  }
}

bool UseList::all_complete() noexcept {
  std::erase_if(tickets_, [](const Ticket& t) { return t.stream->is_complete(t.serial); });
  return tickets_.empty();
}

bool UseList::all_complete_or_on(const StreamState& stream) noexcept {
  std::erase_if(tickets_, [&stream](const Ticket& t) {
    return t.stream.get() != &stream && t.stream->is_complete(t.serial);
  });
  return std::ranges::all_of(tickets_,
                             [&stream](const Ticket& t) { return t.stream.get() == &stream; });
}

void UseList::make_wait(StreamState& stream) const {
  for (const Ticket& ticket : tickets_) {
    stream.wait_on(ticket);
  }
}

bool UseList::wait(std::chrono::nanoseconds timeout) const {
  return std::ranges::all_of(
      tickets_, [timeout](const Ticket& t) { return t.stream->wait(t.serial, timeout); });
}

void UseList::wait() const {
  for (const Ticket& ticket : tickets_) {
    ticket.stream->wait(ticket.serial);
  }
}

}  // namespace headrace::core
