// SPDX-License-Identifier: Apache-2.0
#include "core/block.h"

#include "core/lane.h"
#include "core/log.h"

#include <exception>
#include <utility>

namespace headrace::core {

namespace {
/// The point after the work just submitted. When its marker cannot be recorded it is recorded
/// later: the work must not be forgotten.
Ticket point_after(StreamState& stream) noexcept {
  try {
    return stream.stamp();
  } catch (const std::exception& error) {
    log_error(error.what());
    return stream.next();
  }
}
}  // namespace

void Block::know_earlier_uses() {
  if (const MarkerSerial serial = std::exchange(serial_, 0);
      serial != 0 && !lane_->stream->has_passed(serial)) {
    note(writers_, {lane_->stream, serial});
  }
}

void Block::note(UseList& uses, const Ticket& ticket) {
  uses.add(ticket);
  has_uses_ = true;
}

void Block::forget_outcome() noexcept {
  written_.reset();
}

UseList Block::copy_writers() {
  const std::scoped_lock lock(mutex_);
  know_earlier_uses();
  return writers_;
}

UseList Block::copy_all() {
  const std::scoped_lock lock(mutex_);
  know_earlier_uses();
  UseList all = writers_;
  all.add(readers_);
  return all;
}

void Block::before_read(StreamState& stream) {
  copy_writers().make_wait(stream);
}

void Block::before_write(StreamState& stream) {
  const UseList all = copy_all();
  all.make_wait(stream);
  const std::scoped_lock lock(mutex_);
  writers_.cover_by(stream, all);
  readers_.cover_by(stream, all);
}

void Block::after_read(StreamState& stream) noexcept {
  const Ticket ticket = point_after(stream);
  const std::scoped_lock lock(mutex_);
  note(readers_, ticket);
}

void Block::after_write(StreamState& stream, std::shared_ptr<const Outcome> outcome) noexcept {
  const Ticket ticket = point_after(stream);
  const std::scoped_lock lock(mutex_);
  written_ = std::move(outcome);
  has_uses_ = true;
  writers_.drop_covered_by(stream);
  readers_.drop_covered_by(stream);
  note(writers_, ticket);
}

void Block::written_by_host() noexcept {
  const std::scoped_lock lock(mutex_);
  written_ = nullptr;
}

void Block::require_written() {
  std::shared_ptr<const Outcome> written;
  {
    const std::scoped_lock lock(mutex_);
    written = written_;
  }
  if (const std::exception_ptr error = written ? written->error() : nullptr) {
    std::rethrow_exception(error);
  }
}

void Block::record_use(StreamState& stream) {
  const Ticket ticket = stream.stamp();
  const std::scoped_lock lock(mutex_);
  note(writers_, ticket);
}

void Block::note_use(StreamState& stream) noexcept {
  const Ticket ticket = point_after(stream);
  const std::scoped_lock lock(mutex_);
  note(writers_, ticket);
}

void Block::note_last_use(StreamState& stream) noexcept {
  if (lane_ == nullptr || lane_->stream.get() != &stream) {
    note_use(stream);
  }
}

void Block::wait_to_read() {
  copy_writers().wait();
  require_written();
}

bool Block::wait_to_write(std::chrono::nanoseconds timeout) {
  return copy_all().wait(timeout);
}

void Block::wait_to_write() {
  copy_all().wait();
}

bool Block::can_be_waited_for() {
  return copy_all().can_be_waited_for(nullptr);
}

}  // namespace headrace::core
