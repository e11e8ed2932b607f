// SPDX-License-Identifier: Apache-2.0
#include "core/timeline.h"

#include "headrace/error.h"

#include "core/log.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

namespace headrace::core {

namespace {
std::uint64_t next_stream_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}
/// Longer than anybody waits, and short enough to be added to a clock's time.
constexpr std::chrono::nanoseconds kForever = std::chrono::hours(24 * 365 * 10);
/// How often a wait looks whether a captured stream takes markers again.
constexpr std::chrono::milliseconds kCaptureLook(1);
/// Uses by more streams than this are worth looking through for those that are over.
constexpr std::size_t kManyStreams = 8;
}  // namespace

bool are_joined(const BackendDevice& a, const BackendDevice& b) {
  return &a == &b || (a.reaches(b) && b.reaches(a));
}

StreamState::StreamState(std::shared_ptr<BackendDevice> device,
                         std::shared_ptr<BackendStream> backend,
                         Owner owner)
    : id_(next_stream_id()),
      short_id_(core::short_id(id_)),
      device_(std::move(device)),
      owner_(owner),
      stamp_(owner == Owner::headrace && backend->is_private() ? 0 : 1),
      exposed_(owner == Owner::adopted || !backend->is_private()),
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
  const std::shared_ptr<BackendStream> backend = open_backend();
  return backend && backend->is_capturing();
}

bool StreamState::takes_markers_locked() const {
  return pauses_ == 0 && !backend_->is_capturing();
}

bool StreamState::takes_markers() const {
  require_current();
  const std::scoped_lock lock(mutex_);
  return !backend_ || takes_markers_locked();
}

void StreamState::pause_markers() noexcept {
  static_cast<void>(has_marker(stamp_serial()));
  const std::scoped_lock lock(mutex_);
  ++pauses_;
}

void StreamState::resume_markers() noexcept {
  const std::scoped_lock lock(mutex_);
  --pauses_;
}

void StreamState::prepare(Submission& submission) {
  require_current();
  if (const std::shared_ptr<BackendStream> backend = open_backend()) {
    backend->prepare(submission);
  }
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
  const MarkerSerial serial = stamp_serial();
  if (owner_ == Owner::adopted) {
    static_cast<void>(record(serial));
  }
  return {shared_from_this(), serial};
}

Ticket StreamState::point() noexcept {
  try {
    return stamp();
  } catch (const std::exception& error) {
    log_error(error.what());
    return next();
  }
}

Ticket StreamState::next() noexcept {
  return {weak_from_this().lock(), begun_.load(std::memory_order_acquire) + 1};
}

Ticket StreamState::mark() {
  const MarkerSerial serial = begun_.load(std::memory_order_acquire) + 1;
  recorded(serial);
  return {shared_from_this(), serial};
}

std::shared_ptr<BackendStream> StreamState::open_backend() const {
  const std::scoped_lock lock(open_mutex_);
  return backend_;
}

std::optional<std::shared_ptr<BackendStream>> StreamState::record(MarkerSerial serial) {
  require_current();
  if (serial <= recorded_.load(std::memory_order_acquire)) {
    // Without the lock, which is held while work is submitted.
    if (std::shared_ptr<BackendStream> backend = open_backend()) {
      return backend;
    }
  }
  const std::scoped_lock lock(mutex_);
  if (!backend_) {
    raise_completed(serial);
    return nullptr;
  }
  if (recorded_.load(std::memory_order_relaxed) < serial && !takes_markers_locked()) {
    return std::nullopt;
  }
  while (recorded_.load(std::memory_order_relaxed) < serial) {
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

std::shared_ptr<BackendStream> StreamState::recorded(MarkerSerial serial) {
  if (std::optional<std::shared_ptr<BackendStream>> backend = record(serial)) {
    return *std::move(backend);
  }
  throw Error(ErrorCode::invalid_argument,
              "Work on stream " + std::to_string(id_) +
                  " cannot be waited for: the stream is being captured, or has a CaptureScope "
                  "whose end_capture was not called.");
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
    const std::optional<std::shared_ptr<BackendStream>> backend = record(serial);
    if (!backend) {
      return false;
    }
    if (*backend) {
      raise_completed((*backend)->completed());
    }
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

bool StreamState::has_marker(MarkerSerial serial) noexcept {
  try {
    return has_passed(serial) || record(serial).has_value();
  } catch (const std::exception& error) {
    log_error(error.what());
    return true;
  }
}

void StreamState::wait(MarkerSerial serial) {
  static_cast<void>(recorded(serial));
  while (!wait(serial, kForever)) {
  }
}

bool StreamState::wait(MarkerSerial serial, std::chrono::nanoseconds timeout) {
  require_current();
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + std::min(timeout, kForever);
  while (serial > completed_.load(std::memory_order_acquire)) {
    const std::chrono::nanoseconds left = deadline - Clock::now();
    if (const std::optional<std::shared_ptr<BackendStream>> backend = record(serial)) {
      if (*backend && !(*backend)->wait(serial, std::max(left, left.zero()))) {
        return false;
      }
      raise_completed(serial);
    } else if (left <= left.zero()) {
      return false;
    } else {
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kCaptureLook));
    }
  }
  return true;
}

bool StreamState::finish() {
  const MarkerSerial last = stamp_serial();
  const bool is_marked = record(last).has_value();
  wait(is_marked ? last : recorded_.load(std::memory_order_acquire));
  return is_marked;
}

void StreamState::require_done(MarkerSerial serial) const {
  if (was_lost_before(serial)) {
    throw Error(ErrorCode::device_lost,
                device_->info().spec + " was lost before the work that is waited for was done.");
  }
}

void StreamState::require_joined(const StreamState& producer) const {
  if (!are_joined(*device_, *producer.device_)) {
    throw Error(ErrorCode::invalid_argument,
                "A stream of " + device_->info().spec + " cannot wait for work on " +
                    producer.device_->info().spec + ".");
  }
}

void StreamState::wait_on(const Ticket& ticket) {
  require_current();
  ticket.stream->require_current();
  if (ticket.stream.get() == this || ticket.stream->has_passed(ticket.serial)) {
    return;
  }
  if (ticket.stream->device_ != device_) {
    if (ticket.stream->is_complete(ticket.serial)) {
      return;
    }
    require_joined(*ticket.stream);
  }
  const std::shared_ptr<BackendStream> producer = ticket.stream->recorded(ticket.serial);
  std::unique_lock lock(mutex_);
  if (!producer || !backend_) {
    return;
  }
  if (backend_->is_capturing()) {
    lock.unlock();
    require_no_wait(ticket);
  } else if (!waited_.covers(ticket)) {
    set_stamp(begun_.load(std::memory_order_relaxed), true);
    backend_->wait_for(*producer, ticket.serial);
    waited_.add(ticket);
  }
}

/// \throws Error  unless `ticket` is passed: a captured stream cannot wait for it.
void StreamState::require_no_wait(const Ticket& ticket) const {
  if (!ticket.stream->is_complete(ticket.serial)) {
    throw Error(ErrorCode::invalid_argument,
                "Stream " + std::to_string(id_) +
                    " is being captured, so it cannot wait for work on stream " +
                    std::to_string(ticket.stream->id_) + ", which is no part of the capture.");
  }
}

bool WaitedFor::covers(const Ticket& ticket) const noexcept {
  return std::ranges::any_of(entries_, [&ticket](const Entry& entry) {
    return entry.stream == ticket.stream->id() && entry.serial >= ticket.serial;
  });
}

void WaitedFor::add(const Ticket& ticket) noexcept {
  const std::uint64_t id = ticket.stream->id();
  const auto known = std::ranges::find(entries_, id, &Entry::stream);
  Entry& entry = known != entries_.end() ? *known : entries_[next_++ % entries_.size()];
  entry = {id, ticket.serial};
}

void StreamState::retire() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    retired_ = true;
    const bool may_have_work = dirty_ || exposed_;
    exposed_ = false;  // No handle is left that work could come by.
    set_stamp(begun_.load(std::memory_order_relaxed), may_have_work);
  }
  static_cast<void>(has_marker(stamp_serial()));  // Where it cannot be, `reap` tries again.
}

bool StreamState::reap() noexcept {
  const MarkerSerial last = stamp_serial();
  if (!is_complete(last)) {
    return false;
  }
  std::shared_ptr<BackendStream> closing;
  const std::scoped_lock lock(mutex_);
  if (retired_ && last == recorded_.load(std::memory_order_relaxed) && !dirty_) {
    const std::scoped_lock closes(open_mutex_);
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
    std::erase_if(uses_, [](const Use& use) {
      StreamState& user = *use.ticket.stream;
      return user.is_complete(use.ticket.serial) && !user.was_lost_before(use.ticket.serial);
    });
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

void UseList::cover_by(const StreamState& stream, const UseList& waited) noexcept {
  for (Use& use : uses_) {
    const bool is_covered = std::ranges::any_of(waited.uses_, [&use](const Use& other) {
      return other.ticket.stream == use.ticket.stream && other.ticket.serial >= use.ticket.serial;
    });
    use.covered_by = is_covered ? stream.id() : use.covered_by;
  }
}

void UseList::drop_covered_by(const StreamState& stream) noexcept {
  std::erase_if(uses_, [&stream](const Use& use) {
    const StreamState& user = *use.ticket.stream;
    return use.covered_by == stream.id() &&
           (&user.device() == &stream.device() || user.has_passed(use.ticket.serial));
  });
}

void UseList::drop_complete_of_others(const BackendDevice& device) noexcept {
  std::erase_if(uses_, [&device](const Use& use) {
    StreamState& user = *use.ticket.stream;
    return &user.device() != &device && user.is_complete(use.ticket.serial);
  });
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

bool UseList::can_be_waited_for(const StreamState* by) const noexcept {
  return std::ranges::all_of(uses_, [by](const Use& use) {
    return use.ticket.stream.get() == by || use.ticket.stream->has_marker(use.ticket.serial);
  });
}

void UseList::make_wait(StreamState& stream) const {
  for (const Use& use : uses_) {
    stream.wait_on(use.ticket);
  }
}

void UseList::require_done() const {
  for (const Use& use : uses_) {
    use.ticket.stream->require_done(use.ticket.serial);
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
